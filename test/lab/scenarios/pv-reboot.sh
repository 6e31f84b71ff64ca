# A PV guest that reboots: its new device takes the old one's place

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
start web
old=$(vif web)
before=$(count_starts web)
xl reboot web
await_guest web "$before"
new=$(vif web)
[ "$new" != "$old" ]

fails test -e "/sys/class/net/$old"
is "$(rules_of "$old")" ''
is "$(master "$new")" xenbr0
is "$(rules_of "$new" | wc -l)" 3
address web 10.9.0.11/24
reaches web 10.9.0.1
xl shutdown --wait web
soon has_no_rules "$new" # the xl that watches over the guest cleans up behind it
