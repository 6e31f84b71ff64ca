# network-virtual: a host-only network with DHCP, one behind NAT, and the routed one of the book

guest web pv 'mac=00:16:3e:00:00:11,bridge=vmnet1'
guest mail pv 'mac=00:16:3e:00:00:21,bridge=vmnet1'
before=$(host_state)
later network-virtual stop bridge=vmnet1

network-virtual start bridge=vmnet1 bridgeip=10.1.1.1/24 dhcp=yes
start web mail
lease web
lease mail
reaches web 10.1.1.1
reaches web "$(in_guest mail 'ip -4 addr show eth0' | sed -n 's,.*inet \([0-9.]*\).*,\1,p')"
in_guest web 'ip route add default via 10.1.1.1'
sysctl -qw net.ipv4.ip_forward=1
outside ip route add 10.1.1.0/24 via 192.0.2.10
later outside ip route del 10.1.1.0/24
cannot_reach web 192.0.2.1
sysctl -qw net.ipv4.ip_forward=0
xl destroy web
xl destroy mail
network-virtual stop bridge=vmnet1
unchanged_since "$before"
outside ip route del 10.1.1.0/24

network-virtual start bridge=vmnet1 bridgeip=10.1.1.1/24,2001:db8:1::1/64 masquerade=yes dhcp=yes antispoof=yes
start web
lease web
reaches web 192.0.2.1
address web 10.2.2.2/24
in_guest web 'ip addr add 10.1.1.11/32 dev lo; ip route add 10.1.1.1 dev eth0; ip route add default via 10.1.1.1'
cannot_reach web 192.0.2.1
xl destroy web
network-virtual stop bridge=vmnet1
unchanged_since "$before"

later network-virtual stop
network-virtual start 'bridgeip="10.0.0.1/24"' 'brnet="10.0.0.1/24"'
guest web pv 'mac=00:16:3e:00:00:11,ip=10.0.0.11' # xl's own bridge is xenbr0
start web
address web 10.0.0.11/24
in_guest web 'ip route add default via 10.0.0.1'
outside ip route add 10.0.0.0/24 via 192.0.2.10
later outside ip route del 10.0.0.0/24
outside ping -c 2 10.0.0.11
reaches web 192.0.2.1
xl destroy web
network-virtual stop
unchanged_since "$before"
