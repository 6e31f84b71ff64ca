# antispoof=strict behind vif-route and vif-nat: what a guest forges as source or as MAC address does not reach dom0

before=$(host_state)
later network-route stop
network-route start antispoof=strict
later network-nat stop
network-nat start dhcp=no antispoof=strict
later nft delete table ip lab
nft -f - <<'END'
table ip lab {
  counter forged { }
  chain heard {
    type filter hook prerouting priority raw
    ip saddr { 192.0.2.99, 10.77.0.99 } counter name forged
  }
}
END
guest web pv 'mac=00:16:3e:00:00:11,script=vif-route,ip=192.0.2.12'
guest mail pv 'mac=00:16:3e:00:00:21,script=vif-nat,ip=10.77.0.3/24'
start web mail
honest() {
  address web 192.0.2.12/24
  reaches web 192.0.2.1
  address mail 10.77.0.3/24
  in_guest mail 'ip route add default via 10.77.0.130'
  reaches mail 192.0.2.1
}
# Each guest sends from an address that it has not. What dom0 hears of it is printed.
forge() {
  in_guest web 'ip addr add 192.0.2.99/32 dev eth0; ping -c 2 -W 1 -I 192.0.2.99 192.0.2.1; ip addr del 192.0.2.99/32 dev eth0' >&2
  in_guest mail 'ip addr add 10.77.0.99/32 dev eth0; ping -c 2 -W 1 -I 10.77.0.99 192.0.2.1; ip addr del 10.77.0.99/32 dev eth0' >&2
  nft reset counter ip lab forged | sed -n 's/.*packets \([0-9]*\) .*/\1/p'
}
mac() { in_guest "$1" "ip link set eth0 down && ip link set eth0 address $2 && ip link set eth0 up"; }

honest
outside ping -c 2 192.0.2.12
for name in web mail; do is "$(xen-network vif "$(vif $name)" | awk 'NR == 2 { print $3, $4 }')" 'locked 0'; done
is "$(forge)" 0
for name in web mail; do has "$(xen-network vif "$(vif $name)")" ' locked +[1-9]'; done

# The same, where it is allowed: the test above can fail.
for name in web mail; do xen-network vif "$(vif $name)" unlocked; done
is "$(forge)" 4
for name in web mail; do xen-network vif "$(vif $name)" disabled; done
cannot_reach web 192.0.2.1
cannot_reach mail 192.0.2.1
for name in web mail; do xen-network vif "$(vif $name)" locked; done
honest

mac web 00:16:3e:00:00:99
address web 192.0.2.12/24
cannot_reach web 192.0.2.1
mac web 00:16:3e:00:00:11
mac mail 00:16:3e:00:00:99
address mail 10.77.0.3/24
in_guest mail 'ip route add default via 10.77.0.130'
cannot_reach mail 192.0.2.1
mac mail 00:16:3e:00:00:21
honest

# What somebody flushed is put back.
nft delete table netdev xen_network
is "$(forge)" 4
xen-network refilter
is "$(forge)" 0
honest
xl destroy web
xl destroy mail
nft delete table ip lab
network-nat stop
network-route stop
unchanged_since "$before"
