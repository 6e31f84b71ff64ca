# A network driver domain: xl devd there calls the hooks for another guest's card, whom its own strict filter holds

make_bridge xenbr0 10.9.0.1/24
# Without a card it would have its vif's address, which the other guest's vif has on the driver domain's bridge as well.
ip link set xenbr0 address 02:00:00:00:00:01
# Its disk is a second, untouched copy of dom0's. Its initramfs has what it takes to mount that.
mkdir -p /mnt/driver
later rmdir /mnt/driver
mount /dev/vdc /mnt/driver
cp -a /payload/. /mnt/driver/payload/
umount /mnt/driver
tree=$(mktemp -d)
later rm -rf "$tree" /run/driver.img
mkdir -p "$tree"/{bin,dev,modules,newroot,proc,sys}
cp /bin/busybox "$tree/bin/"
number=10
for file in $(modprobe --all --show-depends xen-blkfront ext4 | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'); do
  case $file in
    *.xz) busybox xz -dc "$file" ;;
    *) cat "$file" ;;
  esac >"$tree/modules/$((number++)).ko"
done
cat >"$tree/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
until [ -b /dev/xvda ]; do sleep 0.1; done
mount -t ext4 -o noatime /dev/xvda /newroot
for dir in dev proc sys; do mount --move "/$dir" "/newroot/$dir"; done
exec switch_root /newroot /payload/dom0/driver-init
END
chmod +x "$tree/init"
(cd "$tree" && find . | cpio -o -H newc --quiet >/run/driver.img)

lines="memory = 512
ramdisk = '/run/driver.img'
disk = [ 'phy:/dev/vdc,xvda,w' ]
driver_domain = 1"
guest driver pv 'mac=00:16:3e:00:00:01,bridge=xenbr0'
start driver
in_guest driver 'ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; network-bridge start topology=plain netdev=eth0 bridge=br0 antispoof=strict'
in_guest driver 'xl devd'
reaches driver 10.9.0.1

lines=
guest web pv 'mac=00:16:3e:00:00:11,backend=driver,bridge=br0,ip=10.9.0.11'
start web
vif=$(vif web)
not test -e "/sys/class/net/$vif"
is "$(xenstore-read "/local/domain/$(xl domid driver)/backend/vif/$(xl domid web)/0/hotplug-status")" connected
held() { in_guest driver 'xen-network vif' | awk -v vif="$vif" '$1 == vif { print $3 }'; }
is "$(held)" locked
address web 10.9.0.11/24
reaches web 10.9.0.1
reaches web 10.9.0.2
ping -c 2 10.9.0.11
address web 10.9.0.99/24
cannot_reach web 10.9.0.1

# The same, where it is allowed: the test above can fail.
in_guest driver "xen-network vif $vif unlocked"
reaches web 10.9.0.1
in_guest driver "xen-network vif $vif locked; nft delete table bridge xen_network"
reaches web 10.9.0.1
in_guest driver 'xen-network refilter'
cannot_reach web 10.9.0.1
address web 10.9.0.11/24
reaches web 10.9.0.1

# Usage: without DEVID  The driver domain has neither that card of a guest nor a record of it.
without() {
  local listed
  listed=$(in_guest driver 'xen-network vif; ip -br link') && ! grep -E "^vif[0-9]+\\.$1" <<<"$listed"
}
# Usage: refused DEVID WORD
refused() {
  xenstore-read "/local/domain/$(xl domid driver)/backend/vif/$(xl domid web)/$1/hotplug-error" | grep -q "$2"
}

# A card that comes and goes while the guest runs, and one that the driver domain refuses.
xl network-attach web mac=00:16:3e:00:00:12 backend=driver bridge=br0 ip=10.9.0.12
soon in_guest web 'test -e /sys/class/net/eth1'
has "$(in_guest driver 'xen-network vif')" "^vif[0-9]+\\.1 "
xl network-detach web 1
soon without 1
# xl does not wait for the hooks of another domain.
xl network-attach web mac=00:16:3e:00:00:12 backend=driver bridge=nosuch
soon refused 1 nosuch
reaches web 10.9.0.1

xl destroy web
soon without 0
soon without 1
in_guest driver 'network-bridge stop topology=plain netdev=eth0 bridge=br0'
lacks "$(in_guest driver 'nft list ruleset')" xen_network
reaches driver 10.9.0.1
