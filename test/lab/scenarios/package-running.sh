# A guest of each kind runs while the package is installed, enabled, upgraded, disabled and removed, and each goes on

later sh /payload/project/install.sh
later dpkg --purge xen-network
sh /payload/project/install.sh --uninstall
# The next version, whose program is another file.
cp /payload/packages/xen-network.deb /run/ours.deb
later rm -rf /run/ours.deb /run/newer.deb /run/newer
dpkg-deb -R /run/ours.deb /run/newer
sed -i 's/^Version: .*/Version: 9999-1/' /run/newer/DEBIAN/control
printf '\0' >>/run/newer/usr/lib/xen-network/xen-network
dpkg-deb -Znone --root-owner-group -b /run/newer /run/newer.deb

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
guest mail pvh 'mac=00:16:3e:00:00:12,bridge=xenbr0,ip=10.9.0.12'
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest db hvm 'mac=00:16:3e:00:00:13,bridge=xenbr0,ip=10.9.0.13,model=virtio-net'
start web mail db
address web 10.9.0.11/24
address mail 10.9.0.12/24
address db 10.9.0.13/24

# Usage: by ours|xen  All guests are reached, and cards come and go by the program's hooks, or by Xen's own scripts.
by() {
  local name hooks
  for name in web mail db; do reaches $name 10.9.0.1; done
  hooks=$(readlink -f /etc/xen/scripts/vif-bridge)
  case $1 in
    ours) is "$hooks" /usr/lib/xen-network/xen-network ;;
    xen) is "$hooks" /etc/xen/scripts/vif-bridge ;;
  esac
  for name in web mail; do
    xl network-attach $name mac=00:16:3e:00:00:21 bridge=xenbr0
    is "$(master "$(vif $name 1)")" xenbr0
    soon in_guest $name 'test -e /sys/class/net/eth1'
    xl network-detach $name 1
    soon not test -e "/sys/class/net/$(vif $name 1)"
  done
}
dpkg='dpkg --force-unsafe-io'
$dpkg -i /run/ours.deb
by xen
xen-network hooks enable
by ours
for name in web db; do
  starts=$(count_starts $name)
  if [ $name = db ]; then xl reboot -F db; else xl reboot $name; fi
  await_guest $name "$starts"
done
address web 10.9.0.11/24
address db 10.9.0.13/24
has "$(rules_of "$(vif web)")" '-s 10.9.0.11/32 '
has "$(rules_of "$(vif db)-emu")" '-s 10.9.0.13/32 '
$dpkg -i /run/newer.deb
by ours
$dpkg --remove xen-network
by xen
is "$(dpkg --verify xen-utils-common | grep /etc/xen/scripts || true)" ''
$dpkg -i /run/ours.deb
xen-network hooks enable
by ours
for name in web mail db; do xl destroy $name; done
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
$dpkg --purge xen-network
is "$(dpkg --verify xen-utils-common | grep /etc/xen/scripts || true)" ''
