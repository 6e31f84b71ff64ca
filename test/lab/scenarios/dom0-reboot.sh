# Dom0 boots by systemd with the unit enabled: the host comes back bridged and its guests start; also after a cut in a start

# Usage: when UNIT CHANGE  The moment of that change, in microseconds.
when() { systemctl show --value -p "$2TimestampMonotonic" "$1"; }
# Usage: bridged  The host has its address on the bridge, and its guest, which xendomains started, is reached.
bridged() {
  is "$(systemctl is-active xen-network)" active
  [ "$(when xen ActiveEnter)" -le "$(when xen-network InactiveExit)" ]
  [ "$(when xen-network ActiveEnter)" -le "$(when xendomains InactiveExit)" ]
  is "$(cd /sys/class/net/eth0/brif && echo peth0 vif*)" "peth0 $(vif web)"
  has "$(ip -o addr show dev eth0)" 'inet 192\.0\.2\.10/24 '
  has "$(ip route)" '^default via 192\.0\.2\.1 dev eth0 '
  outside ping -c 2 192.0.2.10
  ping -c 2 192.0.2.1
  is "$(backend web hotplug-status)" connected
  has "$(rules_of "$(vif web)")" '-s 192.0.2.11/32 '
}
reached() {
  reaches web 192.0.2.1
  outside ping -c 2 192.0.2.11
}
case ${boot-} in
  '')
    printf 'auto eth0\niface eth0 inet static\n  address 192.0.2.10/24\n  gateway 192.0.2.1\n' >/etc/network/interfaces
    echo "(network-script 'network-bridge netdev=eth0 topology=rename')" >/etc/xen/xend-config.sxp
    guest web pv 'mac=00:16:3e:00:00:11,bridge=eth0,ip=192.0.2.11'
    mkdir -p /etc/xen/auto
    cp /run/web.cfg /etc/xen/auto/
    sh /payload/project/install.sh --boot systemd
    systemctl enable xen-network
    cat >/etc/systemd/system/lab-cut.service <<'END'
[Unit]
DefaultDependencies=no
ConditionPathExists=/lab/cut
[Service]
Environment=boot=cut
ExecStart=/bin/bash /payload/dom0/scenario.sh dom0-reboot
[Install]
WantedBy=sysinit.target
END
    systemctl enable lab-cut
    rm -f "$consoles/guest-web.log"
    boot_as_server dom0-reboot 600
    ;;
  1)
    await_guest web 0
    bridged
    address web 192.0.2.11/24
    reached
    touch /lab/cut
    next_boot
    systemctl reboot
    sleep 600
    ;;
  cut)
    # In the second boot, the start is stopped in its middle, and then everything is.
    exec 9<> <(:)
    until [ -e /sys/class/net/peth0 ]; do read -rt 0.02 -u 9 || true; done
    # shellcheck disable=SC2046 # a word for each process
    kill -STOP $(</sys/fs/cgroup/system.slice/xen-network.service/cgroup.procs)
    { systemctl is-active xen-network || true; ip -br addr; } >/lab/cut-state
    rm /lab/cut
    boot=2 next_boot
    cut_power
    ;;
  2) fail 'the start ended before it was cut' ;;
  3)
    for file in /lab/cut-state /etc/systemd/system/lab-cut.service /etc/xen/auto/web.cfg /etc/xen/xend-config.sxp \
      /etc/network/interfaces; do
      later rm -f $file
    done
    cat /lab/cut-state
    is "$(head -1 /lab/cut-state)" activating
    has "$(cat /lab/cut-state)" '^peth0 '
    # xendomains has brought the guest back that it saved when the first boot ended.
    bridged
    reached
    xl destroy web
    systemctl stop xen-network
    has "$(ip -o addr show dev eth0)" 'inet 192\.0\.2\.10/24 '
    ;;
esac
