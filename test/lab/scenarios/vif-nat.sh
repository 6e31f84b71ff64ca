# vif-nat and network-nat: guests with private addresses reach the outside as dom0

later network-nat stop
network-nat start dhcp=no
guest web pv 'mac=00:16:3e:00:00:11,script=vif-nat'
guest mail pv 'mac=00:16:3e:00:00:21,script=vif-nat,ip=10.77.0.3/24'
start web
start mail
vif=$(vif web)
id=$(xl domid web)
has "$(ip -o -4 addr show dev "$vif")" "inet 10\.0\.$id\.128/"
has "$(ip route)" "^10\.0\.$id\.1 dev $vif .*src 10\.0\.$id\.128"
address web "10.0.$id.1/16"
in_guest web "ip route add default via 10.0.$id.128"
address mail 10.77.0.3/24
in_guest mail 'ip route add default via 10.77.0.130'
reaches web 192.0.2.1
reaches mail 192.0.2.1
reaches mail "10.0.$id.1"
xl destroy web
reaches mail 192.0.2.1
xl destroy mail
lacks "$(ip route)" '10\.'
network-nat stop
