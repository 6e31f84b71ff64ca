# install.sh: the second run changes nothing; uninstalled, the package's own scripts are back, byte for byte

install() { sh /payload/project/install.sh "$@"; }
own() { dpkg --verify xen-utils-common | grep /etc/xen/scripts || true; }
later install
has "$(install)" 'nothing to change'
is "$(readlink -f /etc/xen/scripts/vif-bridge)" /usr/lib/xen-network/xen-network
install --uninstall
is "$(own)" ''
fails test -e /usr/lib/xen-network
fails test -e /etc/xen/scripts/network-bridge
