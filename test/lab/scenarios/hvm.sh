# An HVM guest: its emulated card's tap and its vif on one bridge, packets through the tap, reboot, destroy

make_bridge xenbr0 10.9.0.1/24
# A card that the guest has a driver for, and the PV driver kept from taking its place.
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11,model=virtio-net'
start web
vif=$(vif web)
is "$(master "$vif")" xenbr0
is "$(master "$vif-emu")" xenbr0
is "$(backend web hotplug-status)" connected
has "$(rules_of "$vif")" "-s 10.9.0.11/32 -m physdev --physdev-in $vif "
has "$(rules_of "$vif-emu")" "-s 10.9.0.11/32 -m physdev --physdev-in $vif-emu "
address web 10.9.0.11/24
reaches web 10.9.0.1
[ "$(cat "/sys/class/net/$vif-emu/statistics/rx_packets")" -gt 0 ]

before=$(count_starts web)
xl reboot -F web
await_guest web "$before"
is "$(rules_of "$vif")$(rules_of "$vif-emu")" ''
vif=$(vif web)
is "$(master "$vif-emu")" xenbr0
address web 10.9.0.11/24
reaches web 10.9.0.1

xl destroy web
is "$(rules_of "$vif")$(rules_of "$vif-emu")" ''
fails test -e "/sys/class/net/$vif-emu"
