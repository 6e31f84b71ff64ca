import { type Ended, run } from './support.ts';

const PRELUDE = `set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
mount -t tmpfs tmpfs /mnt
for top in etc usr var; do
  mkdir -p /mnt/$top/upper /mnt/$top/work
  mount -t overlay overlay -o "lowerdir=/$top,upperdir=/mnt/$top/upper,workdir=/mnt/$top/work" "/$top"
done
S=/etc/xen/scripts
# As if no package had brought scripts yet.
rm -rf "$S"
mkdir -p "$S"
sed -i "\\#^$S/#d" /var/lib/dpkg/info/*.list
install() { sh "$1/install.sh" "\${@:2}"; }
# A package of one configuration file, the script vif-bridge.
package() {
  mkdir -p "/mnt/$1/DEBIAN" "/mnt/$1$S"
  printf 'Package: stock-scripts\\nVersion: %s\\nArchitecture: all\\n' "$1" >"/mnt/$1/DEBIAN/control"
  printf 'Maintainer: nobody <nobody@example.org>\\nDescription: stock scripts\\n' >>"/mnt/$1/DEBIAN/control"
  echo "$S/vif-bridge" >"/mnt/$1/DEBIAN/conffiles"
  printf '#!/bin/sh\\necho stock %s\\n' "$1" >"/mnt/$1$S/vif-bridge"
  chmod 755 "/mnt/$1$S/vif-bridge"
  dpkg-deb --build "/mnt/$1" "/mnt/$1.deb" >/dev/null
}
dpkg_quiet() { dpkg "$@" >/mnt/dpkg.log 2>&1 </dev/null || { cat /mnt/dpkg.log >&2; return 1; }; }
state() {
  find "$S" /usr/lib/xen-network /usr/sbin/xen-network -printf '%p %y %m %U %G %l ' \\
    \\( -type d -printf '\\n' -o -printf '%T@\\n' \\) 2>/dev/null | sort
  find "$S" -type f -exec sha256sum {} + | sort
  dpkg-divert --list "$S/*" | sort
}
`;

/**
 * Runs a script on the real / in a mount namespace in which /etc, /usr and /var are overlays that vanish with it, so the
 * machine's own packages, diversions and scripts are seen and never changed.
 * @param script for bash; of its functions the prelude above has some
 * @param words its $1 and so on
 */
export function inThrowAwaySystem(script: string, ...words: string[]): Ended {
  return run(['unshare', '-m', 'bash', '-c', `${PRELUDE}${script}`, 'bash', ...words]);
}
