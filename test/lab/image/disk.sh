#!/bin/bash
# Usage: disk.sh ROOT OUT SETTINGS
# Makes what a run boots, in OUT, from dom0's root file system in ROOT:
#   xen, vmlinux   the hypervisor, and the kernel of dom0 and of the guests (which xl finds in /guest)
#   initrd.img     mounts dom0's disk
#   dom0.img       that disk
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$1
out=$2
# shellcheck source=/dev/null
. "$3"
kernel=$(basename "$root"/lib/modules/*)

# Copies kernel modules, with those they need, into an initramfs's tree.
copy_modules() {
  local tree=$1 file
  shift
  chroot "$root" modprobe --set-version "$kernel" --all --show-depends "$@" |
    awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
    install -D -m 644 "$root$file" "$tree$file"
    case $file in # QEMU's processor takes long over it
      *.xz) xz -d "$tree$file" ;;
      *.zst) zstd -q -d --rm "$tree$file" ;;
    esac
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

# Debian packs its kernel with xz or zstd. QEMU's processor takes seconds to unpack that at each start of dom0 and of a
# guest. Where the packed kernel is, and how long, the file's header tells (Documentation/arch/x86/boot.rst of Linux:
# setup_sects, payload_offset, payload_length); its last four bytes are its size when unpacked.
unpack_kernel() {
  local unpack=zstd start length
  start=$((($(number_at "$1" 0x1f1 1) + 1) * 512 + $(number_at "$1" 0x248 4)))
  length=$(($(number_at "$1" 0x24c 4) - 4))
  if [ "$(number_at "$1" "$start" 4)" = $((0x587a37fd)) ]; then unpack=xz; fi
  dd if="$1" bs=64K iflag=skip_bytes,count_bytes skip="$start" count="$length" status=none | "$unpack" -dc
}
number_at() { od -A n -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '; }

# shellcheck disable=SC2154 # SETTINGS assigns it
zcat "$root/boot/xen-$xen-amd64.gz" >"$out/xen"
unpack_kernel "$root/boot/vmlinuz-$kernel" >"$out/vmlinux"
# Newer kernels have it in themselves.
crc32c=$(chroot "$root" modinfo -k "$kernel" -F name crc32c_generic 2>/dev/null || true)
# shellcheck disable=SC2086 # one word or none
make_initramfs initrd-init virtio_blk virtio_pci ext4 $crc32c >"$out/initrd.img"

rm -rf "$root/guest" "$root/lab" && mkdir -p "$root/guest" "$root/lab" "$root/payload"
make_initramfs guest-init xen-netfront virtio_pci virtio_net e1000 8139cp af_packet 8021q | gzip -1 >"$root/guest/initrd.img"
cp "$out/vmlinux" "$root/guest/"
cp "$root/boot/vmlinuz-$kernel" "$root/guest/vmlinuz" # an HVM guest unpacks its kernel itself
install -m 755 "$here/dom0-init" "$root/lab/init"
rm -f "$out/dom0.img"
truncate -s "$disk" "$out/dom0.img"
mke2fs -q -F -t ext4 -O ^has_journal -E lazy_itable_init=1 -m 0 -d "$root" "$out/dom0.img"
