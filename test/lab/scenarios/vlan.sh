# VLANs of a port on a bridge that filters them: tagged outside, a guest is in its own and in no other

# Usage: vlan_of VARIABLE TERMS  Assigns what says vlan= in a guest's configuration. Before Xen 4.20 xl knows no such key, and
# a wrapper script says it.
vlan_of() {
  local script=/etc/xen/scripts/vif-vlan-${2%%[!0-9]*}
  # shellcheck disable=SC2154 # the settings have it
  if dpkg --compare-versions "$xen" ge 4.20; then
    printf -v "$1" 'vlan=%s' "$2"
    return
  fi
  printf '#!/bin/sh\nexec "${0%%/*}/vif-bridge" "$@" vlan=%s\n' "$2" >"$script"
  chmod +x "$script"
  later rm "$script"
  printf -v "$1" 'script=%s' "${script##*/}"
}
vlan_of ten 10
vlan_of trunk 20p/30
ip link add xenbr0 type bridge vlan_filtering 1 vlan_default_pvid 0
later ip link del xenbr0
ip link add veth0 type veth peer name trunk0
later ip link del veth0
ip link set trunk0 netns outside
ip link set veth0 master xenbr0 up
for id in 10 20 30; do
  bridge vlan add dev veth0 vid $id
  outside ip link add link trunk0 name trunk0.$id type vlan id $id
  outside ip addr add 10.9.$id.1/24 dev trunk0.$id
done
outside ip link set trunk0 up
for id in 10 20 30; do outside ip link set trunk0.$id up; done
ip link set xenbr0 up

guest web pv "mac=00:16:3e:00:00:11,bridge=xenbr0,$ten"
guest mail pv "mac=00:16:3e:00:00:21,bridge=xenbr0,$trunk"
start web
start mail
address web 10.9.10.11/24
reaches web 10.9.10.1
address web 10.9.20.11/24
cannot_reach web 10.9.20.1
address mail 10.9.20.12/24
in_guest mail 'ip link add link eth0 name eth0.30 type vlan id 30; ip link set eth0.30 up; ip addr add 10.9.30.12/24 dev eth0.30'
reaches mail 10.9.20.1
reaches mail 10.9.30.1
cannot_reach mail 10.9.10.1

# On a bridge that does not filter, xl says what to do.
make_bridge xenbr1
fails xl network-attach web mac=00:16:3e:00:00:12 bridge=xenbr1 "$ten"
has "$said" 'xenbr1.*vlan_filtering'
