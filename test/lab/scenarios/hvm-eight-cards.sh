# An HVM guest with eight emulated cards: each has its tap and its vif on its own bridge, and reaches what is there

vifs=()
for number in {0..7}; do
  make_bridge "br$number" "10.9.$number.1/24"
  vifs+=("mac=00:16:3e:00:00:1$number,bridge=br$number,ip=10.9.$number.11,model=virtio-net")
done
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm "${vifs[@]}"
start web
for number in {0..7}; do
  vif=$(vif web "$number")
  is "$(master "$vif") $(master "$vif-emu")" "br$number br$number"
  is "$(backend web hotplug-status "$number")" connected
  has "$(rules_of "$vif-emu")" "-s 10\.9\.$number\.11/32 "
  is "$(in_guest web "cat /sys/class/net/eth$number/address")" "00:16:3e:00:00:1$number"
  in_guest web "ip addr add 10.9.$number.11/24 dev eth$number; ip link set eth$number up"
done
for number in {0..7}; do
  reaches web "10.9.$number.1"
  ping -c 2 -I "br$number" "10.9.$number.11"
done
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
