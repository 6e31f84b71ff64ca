# network-bridge on a bond of two cards: a guest goes on talking when one of them fails

ip addr flush dev eth0
later ip route add default via 192.0.2.1
later ip addr add 2001:db8::10/64 dev eth0 nodad
later ip addr add 192.0.2.10/24 dev eth0
later ip link set eth0 up
ip link set eth0 down
ip link add bond0 type bond mode active-backup miimon 100
later ip link del bond0
ip link set eth0 master bond0
ip link set eth1 master bond0
later ip link set eth1 down
ip addr add 192.0.2.10/24 dev bond0
ip link set bond0 up
ip route add default via 192.0.2.1
soon is_up bond0 # it looks after its cards
soon ping -c 1 -W 2 192.0.2.1

before=$(host_state)
later network-bridge stop
network-bridge start
is "$(master bond0)" xenbr0
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
reaches web 192.0.2.1
ip link set "$(cat /sys/class/net/bond0/bonding/active_slave)" down
reaches web 192.0.2.1
ping -c 2 192.0.2.1
xl destroy web
ip link set eth0 up
network-bridge stop
unchanged_since "$before"
ping -c 2 192.0.2.1
