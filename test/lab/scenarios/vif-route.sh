# vif-route and network-route: a guest with an address of the outside's own network, by proxy ARP

later network-route stop
network-route start
guest web pv 'mac=00:16:3e:00:00:11,script=vif-route,ip=192.0.2.12'
start web
vif=$(vif web)
is "$(master "$vif")" ''
has "$(ip -o addr show dev "$vif")" 'inet 192.0.2.10/32 '
has "$(ip route)" "^192\.0\.2\.12 dev $vif .*src 192\.0\.2\.10"
is "$(cat "/proc/sys/net/ipv4/conf/$vif/proxy_arp")" 1
address web 192.0.2.12/24
reaches web 192.0.2.10
reaches web 192.0.2.1
outside ping -c 2 192.0.2.12
xl destroy web
lacks "$(ip route)" 192.0.2.12
is "$(rules_of "$vif")" ''
network-route stop
