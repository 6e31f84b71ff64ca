#!/bin/bash
# Usage: root.sh SUITE DIR [ARCHITECTURE]
# Makes a Debian root in DIR, with Xen's scripts, and their package in DIR/srv. What is there already is kept, unless this
# script has changed since.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
suite=$1 dir=$2 architecture=${3-$(dpkg --print-architecture)}
packages=iproute2,iptables,nftables,iputils-ping,bridge-utils,man-db,python3-apt,xen-utils-common,xenstore-utils

made_by=$(sha256sum <"$here/root.sh")
[ "$(cat "$dir.stamp" 2>/dev/null)" != "$made_by" ] || exit 0
rm -rf --one-file-system "$dir" "$dir.stamp"
mkdir -p "$(dirname "$dir")"
mapfile -t sources < <("$here/../support/debian-sources.sh" "$suite")
[ ${#sources[@]} -gt 0 ] || exit 1
settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
# What this machine's apt says of proxies and of how old a mirror may be.
apt-config dump | grep -E '^Acquire::(Check|http|https)' >"$settings" || true
# Nothing is started in it.
refuse='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d" && chmod 755 "$1/usr/sbin/policy-rc.d"'
# Of its own, so that none of its mounts stays behind.
unshare -m mmdebstrap --quiet --mode=root --variant=apt --architectures="$architecture" --include="$packages" \
  --aptopt="$settings" --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/locale/*' \
  --essential-hook="$refuse" --customize-hook='chroot "$1" sh -c "cd /srv && apt-get -qq download xen-utils-common"' \
  "$suite" "$dir" "${sources[@]}"
echo "$made_by" >"$dir.stamp"
