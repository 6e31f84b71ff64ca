#!/bin/bash
# Usage: disk.sh ROOT OUT
# Makes what a run boots, in OUT, from dom0's root file system in ROOT:
#   xen, vmlinux   the hypervisor, and the kernel of dom0 and of the guests (which xl finds in /guest)
#   initrd.img     mounts dom0's disk
#   dom0.img       that disk
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$1
out=$2
kernel=$(basename "$root"/lib/modules/*)

# Copies kernel modules, with those they need, into an initramfs's tree.
copy_modules() {
  local tree=$1 file
  shift
  chroot "$root" modprobe --set-version "$kernel" --all --show-depends "$@" |
    awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
    install -D -m 644 "$root$file" "$tree$file"
  done
  cp "$root/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$kernel/"
}

# Usage: make_initramfs INIT MODULE… >FILE
make_initramfs() {
  local init=$1 tree
  shift
  tree=$(mktemp -d "$root/initramfs.XXXXXX")
  mkdir -p "$tree"/{bin,dev,newroot,proc,sbin,sys}
  cp "$root/bin/busybox" "$tree/bin/"
  install -m 755 "$here/$init" "$tree/init"
  copy_modules "$tree" "$@"
  chroot "$root" depmod -b "/${tree##*/}" "$kernel"
  chroot "$root" sh -c 'cd "$1" && find . | cpio -o -H newc -R 0:0 --quiet' sh "/${tree##*/}"
  rm -rf "$tree"
}

# Debian packs its kernel with xz. QEMU's processor takes seconds to unpack that at each start of dom0 and of a guest.
unpack_kernel() {
  local start
  start=$(LC_ALL=C grep -abom 1 -P '\xfd7zXZ\x00' "$1" | sed -n 1p | cut -d : -f 1)
  xz -dc --single-stream < <(tail -c "+$((start + 1))" "$1") # more than that stream follows, so tail cannot finish
}

zcat "$root"/boot/xen-4.17-amd64.gz >"$out/xen"
unpack_kernel "$root/boot/vmlinuz-$kernel" >"$out/vmlinux"
make_initramfs initrd-init virtio_blk virtio_pci ext4 crc32c_generic >"$out/initrd.img"

rm -rf "$root/guest" "$root/lab" && mkdir -p "$root/guest" "$root/lab" "$root/payload"
make_initramfs guest-init xen-netfront virtio_pci virtio_net e1000 8139cp af_packet 8021q | gzip -1 >"$root/guest/initrd.img"
cp "$out/vmlinux" "$root/guest/"
cp "$root/boot/vmlinuz-$kernel" "$root/guest/vmlinuz" # an HVM guest unpacks its kernel itself
install -m 755 "$here/dom0-init" "$root/lab/init"
rm -f "$out/dom0.img"
truncate -s 1G "$out/dom0.img"
mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1 -m 0 -d "$root" "$out/dom0.img"
