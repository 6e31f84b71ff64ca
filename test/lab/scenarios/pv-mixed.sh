# A guest whose devices differ: no bridge, no MAC address, a rate, backend, gatewaydev, three scripts; many addresses

make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1 10.9.1.1/24
ip addr add 2001:db8:9::1/64 dev xenbr1 nodad
later network-nat stop
network-nat start dhcp=no
guest web pv '' \
  'mac=00:16:3E:00:00:12,bridge=xenbr1,rate=10Mb/s,backend=Domain-0,ip=10.9.1.16/28 10.9.1.77 2001:db8:9::11 2001:db8:9:1::/64' \
  'mac=00:16:3e:00:00:13,script=vif-route,ip=10.10.0.2 10.10.1.0/24 2001:db8:10::2,gatewaydev=xenbr1,vifname=routed-device-1' \
  'mac=00:16:3e:00:00:14,script=/etc/xen/scripts/vif-nat,type=vif'
start web
id=$(xl domid web)
is "$(master "vif$id.0") $(master "vif$id.1")" 'xenbr0 xenbr1'
for devid in 0 1 2 3; do is "$(backend web hotplug-status "$devid")" connected; done
has "$(backend web mac 0)" '^00:16:3e:'

rules=$(rules_of "vif$id.1")
for address in 10.9.1.16/28 10.9.1.77/32; do has "$rules" "-s $address .*--physdev-in vif$id\.1 "; done
for address in 2001:db8:9::11/128 2001:db8:9:1::/64; do has "$(rules6_of "vif$id.1")" "-s $address "; done
in_guest web 'ip addr add 10.9.1.17/24 dev eth1; ip addr add 2001:db8:9::11/64 dev eth1; ip link set eth1 up'
reaches web 10.9.1.1
reaches web 2001:db8:9::1

has "$(ip route)" '^10\.10\.0\.2 dev routed-device-1 .*src 10\.9\.1\.1 '
has "$(ip route)" '^10\.10\.1\.0/24 dev routed-device-1 '
has "$(ip -6 route)" '^2001:db8:10::2 dev routed-device-1 '
in_guest web 'ip addr add 10.10.0.2/32 dev eth2; ip link set eth2 up; ip link set eth1 down; ip route add 10.9.1.1 dev eth2 src 10.10.0.2'
reaches web 10.9.1.1

has "$(ip route)" "^10\.0\.$id\.4 dev vif$id\.3 .*src 10\.0\.$id\.131"
in_guest web "ip addr add 10.0.$id.4/24 dev eth3; ip link set eth3 up"
reaches web "10.0.$id.131"
address web 10.9.0.11/24
reaches web 10.9.0.1
xl destroy web
network-nat stop
lacks "$(ip route; ip -6 route)" '10\.10\.|10\.0\.|2001:db8:10:'
