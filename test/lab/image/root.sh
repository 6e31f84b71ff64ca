#!/bin/bash
# Usage: root.sh DIR SETTINGS
# Unpacks dom0's root file system into DIR: the Debian release of the file SETTINGS (suites.ts) with Xen, its kernel, and what network hooks work with.
set -euo pipefail

# shellcheck source=/dev/null
. "$2"
# shellcheck disable=SC2154,SC2206 # SETTINGS assigns them; its packages are one word each
packages=(
  $packages linux-image-amd64 "xen-hypervisor-$xen-amd64" "xen-utils-$xen" xen-utils-common xenstore-utils
  bridge-utils busybox-static cpio dnsmasq-base ebtables ethtool ifupdown initramfs-tools iproute2 iptables iputils-arping
  iputils-ping kmod libvirt-clients libvirt-daemon libvirt-daemon-driver-xen mount nftables openvswitch-switch procps psmisc
  systemd-sysv tcpdump udev util-linux
)
# Left out of the packages, as no run needs them: they are most of the time and of the disk that the image takes.
drivers=(gpu hid hwmon iio infiniband input media mmc mtd net/ethernet net/wireless platform scsi staging thermal usb video)
texts=(doc locale man)
# But for the cards of HVM guests.
cards=(intel/e1000 realtek)

mapfile -t sources < <("$(dirname "${BASH_SOURCE[0]}")/../../support/debian-sources.sh" "$suite")
[ ${#sources[@]} -gt 0 ] || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -r _ _ mirror codename _ <<<"${sources[0]}"
if ! /usr/lib/apt/apt-helper -q download-file "${mirror}dists/$codename/InRelease" "$work/release"; then
  echo "the Debian mirror $mirror cannot be reached." >&2
  exit 75
fi
# What this machine's apt says of proxies and of how old a mirror may be.
apt-config dump | grep -E '^Acquire::(Check|http|https)' >"$work/apt" || true
# A mirror that stands still is good enough, as long as its signature is.
echo 'Acquire::Check-Valid-Until "false";' >>"$work/apt"
options=(--aptopt="$work/apt" --dpkgopt=force-unsafe-io)
for modules in /lib/modules /usr/lib/modules; do # by the age of the release
  options+=(--dpkgopt="path-exclude=$modules/*/kernel/sound/*")
  for driver in "${drivers[@]}"; do options+=(--dpkgopt="path-exclude=$modules/*/kernel/drivers/$driver/*"); done
  for card in "${cards[@]}"; do options+=(--dpkgopt="path-include=$modules/*/kernel/drivers/net/ethernet/$card/*"); done
done
for text in "${texts[@]}"; do options+=(--dpkgopt="path-exclude=/usr/share/$text/*"); done

# INITRD=No: the kernel's package makes no initramfs, the lab has its own.
INITRD=No mmdebstrap --mode=root --variant=essential --include="$(IFS=, && echo "${packages[*]}")" "${options[@]}" \
  "$suite" "$1" "${sources[@]}"
