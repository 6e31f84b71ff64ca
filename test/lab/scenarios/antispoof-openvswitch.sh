# antispoof=strict on the kernel's Open vSwitch: what a guest forges reaches nobody, untagged and in its trunk's VLANs

/usr/share/openvswitch/scripts/ovs-ctl start --system-id=lab
later ip link del ovs-system
# No network hook stops that would take the empty tables away.
for family in bridge netdev inet; do later nft delete table $family xen_network; done
later ovs-appctl -T 5 exit --cleanup
ovs-vsctl add-br ovs0
ovs-vsctl add-port ovs0 lan20 tag=20 -- set interface lan20 type=internal
ovs-vsctl add-port ovs0 lan30 tag=30 -- set interface lan30 type=internal
later ovs-vsctl del-br ovs0
ip addr add 10.9.0.1/24 dev ovs0
ip link set ovs0 up
for id in 20 30; do
  ip link set lan$id netns outside
  outside ip addr add 10.9.$id.1/24 dev lan$id
  outside ip link set lan$id up
done
cat >/etc/xen/scripts/vif-strict <<'END'
#!/bin/sh
exec /etc/xen/scripts/vif-openvswitch "$@" antispoof=strict
END
chmod +x /etc/xen/scripts/vif-strict
later rm -f /etc/xen/scripts/vif-strict

guest web pv 'mac=00:16:3e:00:00:11,bridge=ovs0:0:20,ip=10.9.0.11 10.9.20.11 10.9.30.11,script=vif-strict'
start web
vif=$(vif web)
is "$(master "$vif")" ovs-system
is "$(xen-network vif "$vif" | awk 'NR == 2 { print $3, $4 }')" 'locked 0'
mac() { in_guest web "ip link set eth0 down && ip link set eth0 address $1 && ip link set eth0 up"; }
tagged() { in_guest web "ip link del v$1; ip link add link eth0 name v$1 type vlan id $1 && ip addr add $2/24 dev v$1 && ip link set v$1 up"; }
learned() { ovs-appctl fdb/show ovs0 | grep -i "$1"; }
address web 10.9.0.11/24
reaches web 10.9.0.1
tagged 20 10.9.20.11
reaches web 10.9.20.1
is "$(xen-network vif "$vif" | awk 'NR == 2 { print $3, $4 }')" 'locked 0'

# Another's address and another's card, without a tag and with one; a VLAN that it has not.
address web 10.9.0.99/24
cannot_reach web 10.9.0.1
tagged 20 10.9.20.99
cannot_reach web 10.9.20.1
tagged 30 10.9.30.11
cannot_reach web 10.9.30.1
in_guest web 'ip link del v20; ip link del v30'
mac 00:16:3e:00:00:21
address web 10.9.0.11/24
cannot_reach web 10.9.0.1
not learned 00:16:3e:00:00:21
has "$(xen-network vif "$vif")" ' locked +[1-9]'

# The same, where it is allowed: the tests above can fail.
xen-network vif "$vif" unlocked
reaches web 10.9.0.1
learned 00:16:3e:00:00:21
mac 00:16:3e:00:00:11
address web 10.9.0.11/24
xen-network vif "$vif" disabled
cannot_reach web 10.9.0.1
xen-network vif "$vif" locked
reaches web 10.9.0.1

# What somebody flushed is put back, and a daemon that starts again changes nothing.
nft delete table netdev xen_network
address web 10.9.0.99/24
reaches web 10.9.0.1
xen-network refilter
cannot_reach web 10.9.0.1
/usr/share/openvswitch/scripts/ovs-ctl restart --system-id=lab
is "$(master "$vif")" ovs-system
cannot_reach web 10.9.0.1
address web 10.9.0.11/24
reaches web 10.9.0.1

# A device that somebody renames is not heard, and said to be renamed, until it is filtered and attached again.
ip link set "$vif" down
ip link set "$vif" name moved
ip link set moved up
cannot_reach web 10.9.0.1
has "$(xen-network vif 2>&1)" "$vif is called moved by now"
ip link set moved down
ip link set moved name "$vif"
ip link set "$vif" up
xen-network reattach web
is "$(master "$vif")" ovs-system
reaches web 10.9.0.1
address web 10.9.0.99/24
cannot_reach web 10.9.0.1

# A switch in user space cannot be held, and says so of the guests that it has and of new ones.
ovs-vsctl set bridge ovs0 datapath_type=netdev
fails xen-network refilter
has "$said" "$vif is not held by the strict filter: Open vSwitch took it into user space"
fails xl network-attach web mac=00:16:3e:00:00:12 bridge=ovs0 script=vif-strict
has "$said" 'whose datapath_type is netdev'
ovs-vsctl set bridge ovs0 datapath_type=system
is "$(master "$vif")" ovs-system
xen-network refilter
xl destroy web
lacks "$(nft list table netdev xen_network)" "$vif"
