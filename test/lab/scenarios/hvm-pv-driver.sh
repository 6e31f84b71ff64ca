# An HVM guest whose PV driver takes over from the emulated card, with a vifname; cards that are not emulated; network-attach

make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1 10.9.1.1/24
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,vifname=the-web-server,ip=10.9.0.11' \
  'mac=00:16:3e:00:00:12,bridge=xenbr1,type=vif,ip=10.9.1.11'
start web
vif=$(vif web 1)
is "$(master the-web-ser) $(master "$vif")" 'xenbr0 xenbr1'
fails test -e "/sys/class/net/$vif-emu"
address web 10.9.0.11/24
in_guest web 'ip addr add 10.9.1.11/24 dev eth1; ip link set eth1 up'
reaches web 10.9.0.1
reaches web 10.9.1.1

xl network-attach web mac=00:16:3e:00:00:13 bridge=xenbr0 type=vif
is "$(master "$(vif web 2)")" xenbr0
soon in_guest web 'test -e /sys/class/net/eth2'
xl network-detach web 2
reaches web 10.9.0.1

xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
