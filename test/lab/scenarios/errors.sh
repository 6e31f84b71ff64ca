# What xl prints when a hook refuses a device: our sentence; nothing is left behind, and the guest goes on

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
start web
address web 10.9.0.11/24
left() { bridge link && ip route && iptables -S; } # xl leaves the device itself, until the guest goes
before=$(left)
# Usage: refused PATTERN VIF…  The guest gets no such device, and xl says why.
refused() {
  fails xl network-attach web "${@:2}"
  has "$said" "$1"
}
refused 'The bridge eth0 is a device but no bridge\.' bridge=eth0
refused 'ip holds .*300\.1\.1\.1.*, which is no address\.' bridge=xenbr0 ip=300.1.1.1
refused 'vifname is .*vif\+' bridge=xenbr0 vifname=vif+
refused 'vifname is .*a/b' bridge=xenbr0 vifname=a/b
refused 'xenbr0' bridge=xenbr0 vifname=xenbr0
refused 'nosuch' script=vif-route gatewaydev=nosuch ip=10.10.0.2
refused '10\.9\.0\.1' script=vif-route gatewaydev=xenbr0 ip=10.9.0.1
refused 'ovs-vsctl|Open vSwitch' script=vif-openvswitch bridge=ovs0

# A post hook that fails.
mkdir -p /etc/xen/scripts/vif-post.d
later rm -r /etc/xen/scripts/vif-post.d
# shellcheck disable=SC2016 # for the hook to expand
echo 'fatal "no room for $vif"' >/etc/xen/scripts/vif-post.d/full.hook
chmod +x /etc/xen/scripts/vif-post.d/full.hook
refused 'no room for vif' bridge=xenbr0 ip=10.9.0.12
rm /etc/xen/scripts/vif-post.d/full.hook
is "$(left)" "$before"

refused 'missing-hook' bridge=xenbr0 script=missing-hook
xl network-attach web bridge=xenbr0
xl network-detach web "$(xl network-list web | awk 'END { print $1 }')"
reaches web 10.9.0.1
xl destroy web
