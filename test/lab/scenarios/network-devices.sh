# network-bridge in its three topologies on a bond, a VLAN and a dummy device, a guest on each

ip link add bond0 type bond mode active-backup miimon 100
later ip link del bond0
ip link set eth1 master bond0
later ip link set eth1 down
ip link add link eth0 name eth0.7 type vlan id 7
later ip link del eth0.7
ip link add dummy0 type dummy
later ip link del dummy0
outside ip link add link lan0 name lan0.7 type vlan id 7
later outside ip link del lan0.7
outside ip link set lan0.7 up
outside ip addr add 10.7.1.1/24 dev lan0.7
outside ip addr add 10.7.0.1/24 dev lan0
later outside ip addr del 10.7.0.1/24 dev lan0
number=0
for device in bond0 eth0.7 dummy0; do
  ip addr add 10.7.$number.10/24 dev $device
  ip link set $device up
  number=$((number + 1))
done
soon is_up bond0 # it looks after its cards
soon outside ping -c 1 -W 2 10.7.0.10

for topology in classic rename plain; do
  before=$(host_state)
  number=0
  vifs=()
  for device in bond0 eth0.7 dummy0; do
    later network-bridge stop netdev=$device
    network-bridge start netdev=$device topology=$topology bridge=br$number vifnum=$number
    vifs+=("mac=00:16:3e:00:00:1$number,bridge=br$number,ip=10.7.$number.11")
    number=$((number + 1))
  done
  guest web pv "${vifs[@]}"
  start web
  for number in 0 1 2; do
    in_guest web "ip addr add 10.7.$number.11/24 dev eth$number; ip link set eth$number up"
    reaches web 10.7.$number.10
  done
  for number in 0 1; do
    reaches web 10.7.$number.1
    outside ping -c 2 10.7.$number.10
    outside ping -c 2 10.7.$number.11
  done
  xl destroy web
  for device in dummy0 eth0.7 bond0; do network-bridge stop netdev=$device; done
  unchanged_since "$before"
done
