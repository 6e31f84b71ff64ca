# An HVM guest with xl's usual emulated card, whose long vifname is cut for its tap, and with an e1000

make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1 10.9.1.1/24
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=8139cp,e1000'"
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,vifname=the-web-server' \
  'mac=00:16:3e:00:00:12,bridge=xenbr1,model=e1000,ip=10.9.1.11'
start web
is "$(master the-web-ser) $(master the-web-ser-emu)" 'xenbr0 xenbr0'
vif=$(vif web 1)
is "$(master "$vif") $(master "$vif-emu")" 'xenbr1 xenbr1'
address web 10.9.0.11/24
in_guest web 'ip addr add 10.9.1.11/24 dev eth1; ip link set eth1 up'
reaches web 10.9.0.1
reaches web 10.9.1.1
for tap in the-web-ser-emu "$vif-emu"; do [ "$(cat "/sys/class/net/$tap/statistics/rx_packets")" -gt 0 ]; done
tell web 0 poweroff -f
soon has_no_rules "$vif"
soon has_no_rules the-web-ser
soon not test -e "/sys/class/net/the-web-ser"
