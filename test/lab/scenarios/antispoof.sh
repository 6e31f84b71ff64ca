# antispoof=yes: a guest gets nowhere with an address that is not its own, and is let pass again with its own

before=$(host_state)
later network-bridge stop
network-bridge start antispoof=yes
has "$(iptables -S FORWARD)" '-P FORWARD DROP'
has "$(iptables -t raw -S PREROUTING)" '--notrack'
has "$(nft list table bridge xen_network_wrapped_xenbr0)" ' goto from_guests$'
# It lacks nothing of what it made.
is "$(network-bridge status 2>&1 >/dev/null)" ''
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
reaches web 192.0.2.1
address web 192.0.2.99/24
cannot_reach web 192.0.2.1
address web 192.0.2.11/24
reaches web 192.0.2.1
outside ping -c 2 192.0.2.11
ping -c 2 192.0.2.1
xl destroy web
network-bridge stop
unchanged_since "$before"
