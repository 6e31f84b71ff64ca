# dom0's hooks again while a guest runs: a second start and online change nothing, rules and a bridge come back

before=$(host_state)
later network-bridge stop
network-bridge start antispoof=yes
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
reaches web 192.0.2.1
running=$(host_state)
online() { XENBUS_TYPE=vif XENBUS_PATH=backend/vif/$(xl domid web)/0 vif=$(vif web) vif-bridge online type_if=vif; }

network-bridge start antispoof=yes
network-bridge status
online
unchanged_since "$running"
sh /payload/project/install.sh
unchanged_since "$running"

iptables -F FORWARD
cannot_reach web 192.0.2.1
xen-network refilter
has "$(rules_of "$(vif web)")" '-s 192.0.2.11/32 '
online # network-bridge's own rules
network-bridge stop
network-bridge start antispoof=yes
online
reaches web 192.0.2.1
outside ping -c 2 192.0.2.11
xl destroy web
network-bridge stop
unchanged_since "$before"
