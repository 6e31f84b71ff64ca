# vif-openvswitch: guests with and without a VLAN tag on an Open vSwitch bridge

/usr/share/openvswitch/scripts/ovs-ctl start --system-id=lab
later ip link del ovs-system
later ovs-appctl -T 5 exit --cleanup
ovs-vsctl add-br ovs0
ovs-vsctl add-port ovs0 lan20 tag=20 -- set interface lan20 type=internal
later ovs-vsctl del-br ovs0
ip addr add 10.9.0.1/24 dev ovs0
ip link set ovs0 up
ip link set lan20 netns outside
outside ip addr add 10.9.20.1/24 dev lan20
outside ip link set lan20 up

guest web pv 'mac=00:16:3e:00:00:11,bridge=ovs0,script=vif-openvswitch' \
  'mac=00:16:3e:00:00:12,bridge=ovs0.20,script=vif-openvswitch'
start web
is "$(ovs-vsctl iface-to-br "$(vif web 0)")" ovs0
is "$(ovs-vsctl get port "$(vif web 1)" tag)" 20
is "$(ovs-vsctl get interface "$(vif web 0)" external-ids:attached-mac)" '"00:16:3e:00:00:11"'
is "$(ovs-vsctl get interface "$(vif web 0)" external-ids:xen-vm-name)" web
address web 10.9.0.11/24
in_guest web 'ip addr add 10.9.20.11/24 dev eth1; ip link set eth1 up'
reaches web 10.9.0.1
reaches web 10.9.20.1
in_guest web 'ip link set eth1 down'
address web 10.9.20.12/24
cannot_reach web 10.9.20.1
xl destroy web
is "$(ovs-vsctl list-ports ovs0)" lan20
