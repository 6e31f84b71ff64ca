# An HVM guest with eight emulated cards: each has its tap and its vif on its own bridge, and reaches what is there

eight_bridges ,model=virtio-net
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm "${vifs[@]}"
start web
for number in {0..7}; do
  vif=$(vif web "$number")
  is "$(master "$vif") $(master "$vif-emu")" "br$number br$number"
  is "$(backend web hotplug-status "$number")" connected
  has "$(rules_of "$vif-emu")" "-s 10\.9\.$number\.11/32 "
  is "$(in_guest web "cat /sys/class/net/eth$number/address")" "00:16:3e:00:00:1$number"
done
on_eight_bridges web
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
