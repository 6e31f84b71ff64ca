# A PVH guest migrates, live, from one host to another under antispoof=strict: it goes on, and what it forges reaches nobody

later peer touch /run/lab-peer-ends
soon peer_answers
later network-bridge stop
later peer network-bridge stop
network-bridge start antispoof=strict
peer network-bridge start antispoof=strict
peer ln -sf guest-web.log "$consoles/guest-web--incoming.log" # xl's name for it on its way
guest web pvh 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
reaches web 192.0.2.1
outside ping -c 2 192.0.2.11
vif=$(vif web)
has "$(nft list ruleset)" "$vif"

# On its way the guest sends, all the time, from an address that is not its own: anybody on the cable would see that.
forge='ping -q -c 1 -W 1 -I 192.0.2.99 192.0.2.1 >/dev/null 2>&1'
in_guest web 'arp -s 192.0.2.1 52:54:00:00:00:02; ip addr add 192.0.2.99/32 dev lo'
in_guest web "while :; do $forge & sleep 0.2; done & echo \$! >/forger"
outside tcpdump -n -U -Z root -i lan0 -w /run/forged.pcap 'host 192.0.2.99' 2>/run/watcher &
watcher=$!
later kill "$watcher"
later rm -f /run/forged.pcap /run/watcher /run/pings
soon grep -q 'listening on' /run/watcher
outside ping -D -i 0.01 192.0.2.11 >/run/pings &
pinger=$!
later kill "$pinger"
soon grep -q 'bytes from' /run/pings
xl migrate -s '' web 'busybox nc 192.0.2.20 8002'
peer soon backend web hotplug-status
is "$(peer backend web hotplug-status)" connected
# The outage is over when the pings are answered again.
answers() { grep -c 'bytes from' /run/pings; }
answered=$(answers)
more_answers() { [ "$(answers)" -gt $((answered + 20)) ]; }
soon more_answers
kill "$pinger"
outage=$(awk -F'[][]' '/bytes from/ { if (n++ && $2 - at > most) most = $2 - at; at = $2 } END { printf "%.0f", most * 1000 }' /run/pings)
note "a ping every 10 ms was answered again after $outage ms at the latest"

# Here nothing is left of the guest.
fails xl domid web
fails test -e "/sys/class/net/$vif"
lacks "$(nft list ruleset)" "$vif"
is "$(xen-network vif | wc -l)" 1
fails grep -rl "$vif" /run/xen-network

# There it is held, as here before.
is "$(peer master "$(peer vif web)")" xenbr0
has "$(peer xen-network vif)" ' locked '
peer in_guest web 'kill $(cat /forger); ip addr del 192.0.2.99/32 dev lo; arp -d 192.0.2.1'
peer reaches web 192.0.2.1
peer reaches web 192.0.2.10
ping -c 2 192.0.2.11
outside ping -c 2 192.0.2.11
peer address web 192.0.2.99/24
peer cannot_reach web 192.0.2.1
kill "$watcher"
wait "$watcher" || true
is "$(outside tcpdump -n -r /run/forged.pcap 2>/dev/null | wc -l)" 0

# The same, where it is allowed: the test above can fail.
peer xen-network vif "$(peer vif web)" unlocked
peer reaches web 192.0.2.1
peer xl destroy web
