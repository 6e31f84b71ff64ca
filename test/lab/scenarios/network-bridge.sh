# network-bridge in its three topologies: a guest talks to the outside, and stop leaves dom0 as it was

ip addr add 192.0.2.20/24 dev eth0 label eth0:web
later ip addr del 192.0.2.20/24 dev eth0
ip route add 203.0.113.0/24 via 192.0.2.1 metric 50
later ip route del 203.0.113.0/24 metric 50
ip -6 route add default via 2001:db8::1
later ip -6 route del default
ip rule add to 203.0.113.0/24 lookup 100
later ip rule del to 203.0.113.0/24 lookup 100
ip route add default via 192.0.2.1 table 100
later ip route del default table 100

later network-bridge stop
for topology in classic rename plain; do
  before=$(host_state)
  network-bridge start topology=$topology
  case $topology in
    classic) bridge=xenbr0 ports='peth0 vif0.0' host=eth0 ;;
    rename) bridge=eth0 ports=peth0 host=eth0 ;;
    plain) bridge=xenbr0 ports=eth0 host=xenbr0 ;;
  esac
  is "$(cd /sys/class/net/$bridge/brif && echo *)" "$ports"
  has "$(ip -o addr show dev $host)" "inet 192.0.2.20/24 .* $host:web"
  ping -c 2 192.0.2.1
  ping -c 2 2001:db8::1
  outside ping -c 2 192.0.2.20

  guest web pv "mac=00:16:3e:00:00:11,bridge=$bridge,ip=192.0.2.11"
  start web
  is "$(master "$(vif web)")" $bridge
  address web 192.0.2.11/24 2001:db8::11/64
  reaches web 192.0.2.1  # outside
  reaches web 192.0.2.10 # dom0
  outside ping -c 2 192.0.2.11
  xl destroy web

  network-bridge stop
  unchanged_since "$before"
  ping -c 2 192.0.2.1
done
