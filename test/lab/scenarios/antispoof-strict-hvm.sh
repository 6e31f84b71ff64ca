# antispoof=strict with an HVM guest: its emulated card is held as its vif is

later network-bridge stop
network-bridge start antispoof=strict
lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11,model=virtio-net'
start web
tap=$(vif web)-emu
address web 192.0.2.11/24
reaches web 192.0.2.1
outside ping -c 2 192.0.2.11
address web 192.0.2.99/24
cannot_reach web 192.0.2.1
has "$(xen-network vif "$tap")" " locked +[1-9]"
address web 192.0.2.11/24
in_guest web 'ip link set eth0 down && ip link set eth0 address 00:16:3e:00:00:99 && ip link set eth0 up'
cannot_reach web 192.0.2.1
xl destroy web
is "$(xen-network vif | wc -l)" 1
