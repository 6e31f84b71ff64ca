# network-nat with DHCP: guests behind vif-nat get their addresses from dnsmasq, then from dhcpd, and reach the outside

servers=dnsmasq
if command -v dhcpd; then
  servers+=' dhcpd'
  cp /etc/dhcp/dhcpd.conf.off /etc/dhcp/dhcpd.conf
  later rm /etc/dhcp/dhcpd.conf
  later pkill dhcpd
else
  note 'dnsmasq only: this release has no isc-dhcp-server'
fi
later network-nat stop
for server in $servers; do
  before=$(host_state)
  network-nat start dhcp=$server antispoof=yes
  guest web pv 'mac=00:16:3e:00:00:11,script=vif-nat'
  guest mail pv 'mac=00:16:3e:00:00:21,script=vif-nat,ip=10.77.0.3/24'
  start web mail
  id=$(xl domid web)
  lease web
  lease mail
  has "$(in_guest web 'ip -4 addr show eth0')" "inet 10\.0\.$id\.1/"
  has "$(in_guest web 'ip route')" "default via 10\.0\.$id\.128"
  has "$(in_guest mail 'ip -4 addr show eth0')" 'inet 10\.77\.0\.3/'
  reaches web 192.0.2.1
  reaches mail 192.0.2.1
  reaches web 10.77.0.3
  in_guest web "ip addr flush dev eth0; ip addr add 10.77.0.3/24 dev eth0; ip route add default via 10.77.0.130"
  cannot_reach web 192.0.2.1
  xl destroy web
  reaches mail 192.0.2.1
  xl destroy mail
  network-nat stop
  unchanged_since "$before"
done
