# Devices of a PV guest: two at once, network-attach and network-detach while it runs

make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1 10.9.1.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0' 'mac=00:16:3e:00:00:12,bridge=xenbr1,ip=10.9.1.11'
start web
is "$(master "$(vif web 0)")" xenbr0
is "$(master "$(vif web 1)")" xenbr1
address web 10.9.0.11/24
in_guest web 'ip addr add 10.9.1.11/24 dev eth1; ip link set eth1 up'
reaches web 10.9.0.1
reaches web 10.9.1.1

xl network-attach web mac=00:16:3e:00:00:13 bridge=xenbr1 ip=10.9.1.12
new=$(vif web 2)
is "$(master "$new")" xenbr1
is "$(backend web hotplug-status 2)" connected
has "$(rules_of "$new")" '-s 10.9.1.12/32 .*--physdev-in vif[0-9]+\.2'
soon in_guest web 'test -e /sys/class/net/eth2'
before=$(rules_of "$(vif web 1)")

xl network-detach web 2
fails test -e "/sys/class/net/$new"
is "$(rules_of "$new")" ''
is "$(rules_of "$(vif web 1)")" "$before"
reaches web 10.9.0.1

fails xl network-attach web mac=00:16:3e:00:00:14 bridge=nosuch
has "$said" 'The bridge nosuch does not exist\. The bridges of this host are xenbr0, xenbr1\.'
reaches web 10.9.1.1
