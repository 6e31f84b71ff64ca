# A PV guest on a bridge: create, ping both ways, destroy

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
start web
vif=$(vif web)

is "$(master "$vif")" xenbr0
is "$(cat "/sys/class/net/$vif/address")" fe:ff:ff:ff:ff:ff
is "$(backend web hotplug-status)" connected
is "$(rules_of "$vif")" "\
-A FORWARD -s 10.9.0.11/32 -m physdev --physdev-in $vif --physdev-is-bridged -j ACCEPT
-A FORWARD -p udp -m physdev --physdev-in $vif --physdev-is-bridged -m udp --sport 68 --dport 67 -j ACCEPT
-A FORWARD -m physdev --physdev-out $vif --physdev-is-bridged -j ACCEPT"

address web 10.9.0.11/24
reaches web 10.9.0.1
ping -c 2 10.9.0.11

xl destroy web
is "$(rules_of "$vif")" ''
fails test -e "/sys/class/net/$vif"
