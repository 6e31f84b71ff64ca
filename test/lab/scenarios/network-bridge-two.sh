# Two bridges by a wrapper that calls network-bridge twice: the card, and a dummy device for guests among themselves

cat >/run/two-bridges <<'END'
#!/bin/sh
network-bridge "$@" vifnum=0 netdev=eth0
network-bridge "$@" vifnum=1 netdev=dummy0
END
chmod +x /run/two-bridges
ip link add dummy0 type dummy
later ip link del dummy0
ip addr add 10.8.0.1/24 dev dummy0
ip link set dummy0 up

before=$(host_state)
later /run/two-bridges stop
/run/two-bridges start
is "$(master peth0) $(master pdummy0)" 'xenbr0 xenbr1'
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0' 'mac=00:16:3e:00:00:12,bridge=xenbr1'
guest mail pv 'mac=00:16:3e:00:00:21,bridge=xenbr1'
start web
start mail
address web 192.0.2.11/24
in_guest web 'ip addr add 10.8.0.11/24 dev eth1; ip link set eth1 up'
address mail 10.8.0.12/24
reaches web 192.0.2.1
reaches web 10.8.0.12
reaches mail 10.8.0.1
cannot_reach mail 192.0.2.1
xl destroy web
xl destroy mail
/run/two-bridges stop
unchanged_since "$before"
