#!/bin/bash
# The work of one boot, in dom0: gives dom0 the network of a small server, installs the build under test, and runs
# each scenario that is named at the console, with the seconds that it may take. What this prints about a scenario, lab.ts reads.
# shellcheck source=test/lab/dom0/tools.sh
. /payload/dom0/tools.sh
stty -echo

modprobe dummy numdummies=0 # makes devices of its own accord otherwise
modprobe bonding max_bonds=0
bash /payload/dom0/outside.sh
# shellcheck disable=SC2154 # the settings have it
ip addr add "192.0.2.${number}0/24" dev eth0
ip addr add "2001:db8::${number}0/64" dev eth0 nodad
ip link set eth0 up
ip route add default via "192.0.2.$number"

# Where this file is, guests behind vif-nat have DHCP: they have it in the scenario that says so.
if [ -e /etc/dhcp/dhcpd.conf ]; then mv /etc/dhcp/dhcpd.conf /etc/dhcp/dhcpd.conf.off; fi

# iptables makes a table when it is first used, and never takes it away: that is no difference that counts.
for tables in iptables ip6tables; do
  "$tables-restore" <<'END'
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
COMMIT
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
COMMIT
*mangle
:FORWARD ACCEPT
COMMIT
*raw
:PREROUTING ACCEPT
:OUTPUT ACCEPT
COMMIT
END
done
sh /payload/project/install.sh || exit
xl info | grep -E '^(release|xen_version|xen_caps|free_memory)'
# shellcheck disable=SC2154 # the settings have it
echo "lab: xl of $(dpkg-query -W -f '${Package} ${Version}' "xen-utils-$xen"), $(xen-network --version)"
for package in linux-image-amd64 iptables nftables iproute2 openvswitch-switch udev; do
  echo "lab: $(dpkg-query -W -f '${Package} ${Version}' "$package")"
done
# A scenario that had dom0 start again has left its verdict, which lab.ts waits for.
if [ -e /lab/verdict ]; then cat /lab/verdict && rm /lab/verdict; else echo 'lab: ready'; fi

while read -r name bound && [ "$name" != end ]; do
  echo "lab: begin $name"
  rm -f "$reason"
  # The scenario before may have had its guests' addresses on other cards, and the world outside remembers that a while.
  ip -n outside neigh flush dev lan0
  if timeout -k 10 "$bound" bash /payload/dom0/scenario.sh "$name"; then
    echo "lab: ok $name"
  else
    [ -s "$reason" ] || echo "it took more than $bound s" >"$reason"
    echo "lab: FAILED $name: $(tr '\n' ' ' <"$reason")"
    clean_up
  fi
done
