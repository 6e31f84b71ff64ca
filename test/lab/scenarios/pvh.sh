# A PVH guest, IPv6 as well as IPv4

make_bridge xenbr0 10.9.0.1/24
ip addr add 2001:db8:9::1/64 dev xenbr0 nodad
guest web pvh 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11 2001:db8:9::11'
start web
vif=$(vif web)
has "$(rules_of "$vif")" '-s 10.9.0.11/32 '
has "$(rules6_of "$vif")" '-s 2001:db8:9::11/128 '
address web 10.9.0.11/24 2001:db8:9::11/64
reaches web 10.9.0.1
reaches web 2001:db8:9::1
xl destroy web
is "$(rules_of "$vif")$(rules6_of "$vif")" ''
