# An HVM guest whose PV driver takes over from the emulated card, with a vifname; network-attach

make_bridge xenbr0 10.9.0.1/24
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,vifname=the-web-server,ip=10.9.0.11'
start web
is "$(master the-web-ser)" xenbr0
address web 10.9.0.11/24
reaches web 10.9.0.1

xl network-attach web mac=00:16:3e:00:00:12 bridge=xenbr0 type=vif
is "$(master "$(vif web 1)")" xenbr0
soon in_guest web 'test -e /sys/class/net/eth1'
xl network-detach web 1
reaches web 10.9.0.1

xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
