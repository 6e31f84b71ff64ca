# antispoof=strict: what a guest forges as MAC address, as source, in ARP, in IPv6 or as a DHCP server reaches nobody

before=$(host_state)
later network-bridge stop
network-bridge start antispoof=strict
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11 2001:db8::11'
guest mail pv 'mac=00:16:3e:00:00:21,bridge=xenbr0,ip=192.0.2.12'
start web mail
vif=$(vif web)
honest() {
  address web 192.0.2.11/24 2001:db8::11/64
  reaches web 192.0.2.1
  reaches web 192.0.2.12
  reaches web 2001:db8::1
}
# The gateway need not look for the other guest meanwhile: such a request would tell that guest the right MAC address again.
outside ip neigh replace 192.0.2.12 lladdr 00:16:3e:00:00:21 nud permanent dev lan0
later outside ip neigh del 192.0.2.12 dev lan0
# The guest says by ARP that the gateway's address is its own; whether the other guest believes it.
poison() {
  in_guest mail 'ping -c 1 -W 9 192.0.2.1'
  in_guest web 'ip addr add 192.0.2.1/32 dev eth0; arping -U -c 2 -I eth0 192.0.2.1; ip addr del 192.0.2.1/32 dev eth0'
  neighbours=$(in_guest mail 'ip neigh show dev eth0')
  echo "$neighbours"
  grep -q '^192\.0\.2\.1 .*00:16:3e:00:00:11' <<<"$neighbours"
}
mac() { in_guest web "ip link set eth0 down && ip link set eth0 address $1 && ip link set eth0 up"; }
address mail 192.0.2.12/24
honest
outside ping -c 2 192.0.2.11
is "$(xen-network vif "$vif" | awk 'NR == 2 { print $3, $4 }')" 'locked 0'

address web 192.0.2.99/24
cannot_reach web 192.0.2.1
address web 192.0.2.12/24 # the other guest's
cannot_reach web 192.0.2.1
address web 2001:db8::99/64
cannot_reach web 2001:db8::1
mac 00:16:3e:00:00:21
address web 192.0.2.11/24
cannot_reach web 192.0.2.1
mac 00:16:3e:00:00:11
honest
fails poison
in_guest web 'printf "interface eth0\nstart 192.0.2.50\nend 192.0.2.60\n" >/dhcp; mkdir -p /var/lib/misc; touch /var/lib/misc/udhcpd.leases; udhcpd /dhcp'
fails lease mail
has "$(xen-network vif "$vif")" " locked +[1-9]"

# The same, where it is allowed: the tests above can fail.
xen-network vif "$vif" unlocked
poison
lease mail
address mail 192.0.2.12/24
in_guest mail 'ip neigh flush dev eth0'
xen-network vif "$vif" disabled
cannot_reach web 192.0.2.1
xen-network vif "$vif" locked
honest

# What somebody flushed is put back, and a guest that reboots is held again.
nft delete table bridge xen_network
address web 192.0.2.99/24
reaches web 192.0.2.1
xen-network refilter
cannot_reach web 192.0.2.1
starts=$(count_starts web)
xl reboot web
await_guest web "$starts"
honest
address web 192.0.2.99/24
cannot_reach web 192.0.2.1
xl destroy web
xl destroy mail
network-bridge stop
unchanged_since "$before"
