# HVM guests behind vif-route and vif-nat: reached by their emulated card, and by their PV driver once that takes its place

later network-nat stop
network-nat start dhcp=no
later network-route stop
network-route start ipv6=yes
later sysctl -qw "net.ipv4.conf.all.rp_filter=$(sysctl -n net.ipv4.conf.all.rp_filter)"
sysctl -qw net.ipv4.conf.all.rp_filter=1

# Usage: six GUEST ADDRESS  The guest's IPv6 address, with dom0 as its gateway.
six() {
  in_guest "$1" "ip -6 addr add $2/128 dev eth0 && ip -6 route add 2001:db8::10 dev eth0 && ip -6 route add default via 2001:db8::10"
}

# Without a driver of its own the guest stays with its emulated card.
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm 'mac=00:16:3e:00:00:11,script=vif-route,ip=192.0.2.12 2001:db8::12,model=virtio-net'
start web
address web 192.0.2.12/24
six web 2001:db8::12
reaches web 192.0.2.1
reaches web 2001:db8::1
outside ping -c 2 192.0.2.12
outside ping -c 2 2001:db8::12
is "$(cat "/sys/class/net/$(vif web)/carrier")" 0
xl destroy web
lacks "$(ip route; ip -6 route)" '(192\.0\.2|2001:db8:)::?12'

# With one, it has the emulated card unplugged as its kernel starts.
lines=
guest mail hvm 'mac=00:16:3e:00:00:12,script=vif-route,ip=192.0.2.13 2001:db8::13' \
  'mac=00:16:3e:00:00:13,script=vif-nat,ip=10.77.0.3/24'
start mail
for own in 0 1; do soon is_up "$(vif mail $own)"; done
address mail 192.0.2.13/24
six mail 2001:db8::13
reaches mail 192.0.2.1
reaches mail 2001:db8::1
outside ping -c 2 192.0.2.13
outside ping -c 2 2001:db8::13
in_guest mail 'ip addr flush dev eth0; ip addr add 10.77.0.3/24 dev eth1; ip link set eth1 up'
in_guest mail 'ip route add default via 10.77.0.130'
ping -c 2 10.77.0.3
reaches mail 192.0.2.1
for filter in 0 2; do
  sysctl -qw net.ipv4.conf.all.rp_filter=$filter
  reaches mail 192.0.2.1
done
xl destroy mail
lacks "$(ip route; ip -6 route)" '(10\.77\.0\.|192\.0\.2\.1|2001:db8::1)3'
