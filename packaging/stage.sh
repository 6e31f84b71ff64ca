#!/bin/sh
# Lays out what a package holds, in a tree of its own: the program, its hooks beside it and none in Xen's folder, the way to
# boot, manual pages, notices and examples. All packages are made from this tree.
# Usage: packaging/stage.sh SOURCE TREE systemd|openrc [PROGRAM]
# SOURCE is what the tar archive holds. PROGRAM names the hooks where SOURCE's is one for another machine.
set -eu
umask 022
export LC_ALL=C

[ $# -ge 3 ] || {
  echo "usage: packaging/stage.sh SOURCE TREE systemd|openrc [PROGRAM]" >&2
  exit 2
}
source=$1 tree=$2 boot=$3 namer=${4-$1/xen-network}
library=$tree/usr/lib/xen-network doc=$tree/usr/share/doc/xen-network

mkdir -p "$library/scripts" "$tree/usr/sbin" "$doc/examples"
install -m 755 "$source/xen-network" "$library/xen-network"
hooks=$("$namer" --hooks)
for hook in $hooks; do ln -s ../xen-network "$library/scripts/$hook"; done
ln -s ../lib/xen-network/xen-network "$tree/usr/sbin/xen-network"
cp -r "$source/share/." "$tree/usr/share"
install -m 644 "$source/examples/"* "$doc/examples"
# For systems of other kinds, and to be changed.
install -m 644 "$source/init/xen-network.sysv" "$doc/examples"
case $boot in
  systemd)
    mkdir -p "$tree/usr/lib/systemd/system"
    for unit in xen-network.service xen-network-traffic.service xen-network-traffic.timer; do
      install -m 644 "$source/init/$unit" "$tree/usr/lib/systemd/system"
    done
    ;;
  openrc)
    mkdir -p "$tree/etc/init.d"
    install -m 755 "$source/init/xen-network.openrc" "$tree/etc/init.d/xen-network"
    ;;
esac
