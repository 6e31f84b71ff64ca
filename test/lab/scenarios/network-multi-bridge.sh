# network-multi-bridge: a bridge on the card, one on a dummy device and one behind NAT by one list; a guest on each

cat >/etc/xen/network-multi-bridge.conf <<END
network-bridge vifnum=0 antispoof=$antispoof
network-bridge vifnum=1 netdev=dummy0
network-virtual bridge=vmnet8 bridgeip=10.1.1.1/24 masquerade=yes dhcp=yes
END
later rm /etc/xen/network-multi-bridge.conf
ip link add dummy0 type dummy
later ip link del dummy0
ip addr add 10.8.0.1/24 dev dummy0
ip link set dummy0 up

before=$(host_state)
later network-multi-bridge stop
network-multi-bridge start
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11' 'mac=00:16:3e:00:00:12,bridge=xenbr1' \
  'mac=00:16:3e:00:00:13,bridge=vmnet8'
start web
address web 192.0.2.11/24
in_guest web 'ip addr add 10.8.0.11/24 dev eth1; ip link set eth1 up'
reaches web 192.0.2.1
reaches web 10.8.0.1
in_guest web 'ip addr flush dev eth0; ip link set eth0 down'
lease web eth2
reaches web 192.0.2.1
xl destroy web
network-multi-bridge stop
unchanged_since "$before"

# One that fails takes the others with it.
echo 'network-bridge vifnum=3 netdev=nosuch' >>/etc/xen/network-multi-bridge.conf
fails network-multi-bridge start
has "$said" nosuch
unchanged_since "$before"
