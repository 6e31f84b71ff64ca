# libvirt: virsh starts, reboots and destroys a guest whose XML names a bridge, and a script; its cards come and go

make_bridge xenbr0 10.9.0.1/24
export LIBVIRT_DEFAULT_URI=xen:///system
# libvirt's driver starts on no processor that fits none of its models, and QEMU's lacks what even the smallest has.
sed -i "/'vme'/d" /usr/share/libvirt/cpu_map/x86_486*.xml
libvirtd &
later kill $!
soon virsh list
later virsh undefine web
cat >/run/web.xml <<'END'
<domain type='xen'>
  <name>web</name>
  <memory unit='MiB'>160</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='xenpv'>linux</type>
    <kernel>/guest/vmlinux</kernel>
    <initrd>/guest/initrd.img</initrd>
    <cmdline>console=hvc0 quiet mitigations=off</cmdline>
  </os>
  <on_reboot>restart</on_reboot>
  <devices>
    <interface type='bridge'>
      <mac address='00:16:3e:00:00:11'/>
      <source bridge='xenbr0'/>
      <ip address='10.9.0.11' family='ipv4'/>
    </interface>
    <interface type='ethernet'>
      <mac address='00:16:3e:00:00:12'/>
      <ip address='10.9.1.11' family='ipv4'/>
      <script path='vif-route'/>
    </interface>
    <console type='pty'><target type='xen'/></console>
  </devices>
</domain>
END
virsh define /run/web.xml

# Usage: attached  The guest has both cards, and they reach dom0.
attached() {
  local routed
  is "$(master "$(vif web)")" xenbr0
  has "$(rules_of "$(vif web)")" '-s 10.9.0.11/32 '
  routed=$(vif web 1)
  has "$(ip route show dev "$routed")" '^10\.9\.1\.11 '
  address web 10.9.0.11/24
  in_guest web 'ip addr add 10.9.1.11/32 dev eth1; ip link set eth1 up; ip route add 10.9.1.1 dev eth1'
  reaches web 10.9.0.1
  soon ping -c 1 -W 2 -I 10.9.1.1 10.9.1.11
}
ip addr add 10.9.1.1/32 dev lo
later ip addr del 10.9.1.1/32 dev lo
before=$(count_starts web)
virsh start web
await_guest web "$before"
attached
before=$(count_starts web)
virsh reboot web
await_guest web "$before"
attached

virsh attach-interface web bridge xenbr0 --mac 00:16:3e:00:00:13 --live
soon in_guest web 'test -e /sys/class/net/eth2'
is "$(master "$(vif web 2)")" xenbr0
third=$(vif web 2)
virsh detach-interface web bridge --mac 00:16:3e:00:00:13 --live
soon not test -e "/sys/class/net/$third"
# virsh names our reason where the hook refuses.
fails virsh attach-interface web bridge nosuch --mac 00:16:3e:00:00:14 --live

vif=$(vif web)
virsh destroy web
soon not test -e "/sys/class/net/$vif"
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
