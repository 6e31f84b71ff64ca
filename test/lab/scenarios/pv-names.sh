# Names and MTU: vifname, one that is too long for a device, mtu in xl's own way and the bridge's

make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1
ip link add dummy0 mtu 9000 type dummy
later ip link del dummy0
ip link set dummy0 master xenbr1 up
is "$(cat /sys/class/net/xenbr1/mtu)" 9000

guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,vifname=web0,ip=10.9.0.11,mtu=1400' \
  'mac=00:16:3e:00:00:12,bridge=xenbr1,vifname=the-second-of-the-web-guest,ip=10.9.1.11'
start web
id=$(xl domid web)
cut=the-second-of-t
is "$(master web0)" xenbr0
is "$(master $cut)" xenbr1
is "$(rules_of web0 | wc -l)" 3
is "$(rules_of $cut | wc -l)" 3
has "$(ip link show the-second-of-the-web-guest)" "$cut:"
is "$(cat /sys/class/net/web0/mtu)" 1400
is "$(cat /sys/class/net/$cut/mtu)" 9000
is "$(xenstore-read "/local/domain/$id/device/vif/0/mtu")" 1400
is "$(xenstore-read "/local/domain/$id/device/vif/1/mtu")" 9000
has "$(cat /var/log/messages)" "vif-bridge.*the-second-of-the-web-guest"
address web 10.9.0.11/24
reaches web 10.9.0.1

# A second guest that asks for a name in use is refused, and the first keeps its device.
guest mail pv 'mac=00:16:3e:00:00:21,bridge=xenbr0,vifname=web0'
fails xl create /run/mail.cfg
has "$said" 'web0'
reaches web 10.9.0.1

xl destroy web
is "$(rules_of web0)$(rules_of $cut)" ''
