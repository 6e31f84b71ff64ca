# network-bridge on a VLAN of the card: a guest is in that VLAN, and in no other

ip link add link eth0 name eth0.5 type vlan id 5
later ip link del eth0.5
ip addr add 198.51.100.10/24 dev eth0.5
ip link set eth0.5 up
outside ip link add link lan0 name lan0.5 type vlan id 5
later outside ip link del lan0.5
outside ip addr add 198.51.100.1/24 dev lan0.5
outside ip link set lan0.5 up

before=$(host_state)
later network-bridge stop netdev=eth0.5
network-bridge start netdev=eth0.5
is "$(master eth0.5)" xenbr0
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=198.51.100.11'
start web
address web 198.51.100.11/24
reaches web 198.51.100.1
address web 192.0.2.11/24
cannot_reach web 192.0.2.1
ping -c 2 198.51.100.1
xl destroy web
network-bridge stop netdev=eth0.5
unchanged_since "$before"
ping -c 2 198.51.100.1
