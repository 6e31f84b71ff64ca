# xl.conf for all guests: another bridge, an administrator's wrapper of vif-bridge, vif-route with a gatewaydev; a devid

cp -p /etc/xen/xl.conf /run/xl.conf
later mv /run/xl.conf /etc/xen/xl.conf
make_bridge xenbr0 10.9.0.1/24
make_bridge office 10.9.1.1/24

echo 'vif.default.bridge="office"' >/etc/xen/xl.conf
guest web pv 'mac=00:16:3e:00:00:11,ip=10.9.1.11' 'mac=00:16:3e:00:00:12,bridge=xenbr0,devid=3'
start web
is "$(master "$(vif web 0)") $(master "$(vif web 3)")" 'office xenbr0'
address web 10.9.1.11/24
in_guest web 'ip addr add 10.9.0.11/24 dev eth1; ip link set eth1 up'
reaches web 10.9.1.1
reaches web 10.9.0.1
xl network-detach web 3
reaches web 10.9.1.1
xl destroy web

cat >/etc/xen/scripts/vif-logged <<'END'
#!/bin/sh
dir=$(dirname "$0")
"$dir/vif-bridge" "$@" || exit
echo "$1 $vif" >>/run/logged
END
chmod +x /etc/xen/scripts/vif-logged
later rm -f /etc/xen/scripts/vif-logged /run/logged
echo 'vif.default.script="vif-logged"' >/etc/xen/xl.conf
guest web pv 'mac=00:16:3e:00:00:11,ip=10.9.0.11'
start web
vif=$(vif web)
is "$(master "$vif")" xenbr0
address web 10.9.0.11/24
reaches web 10.9.0.1
fails xl network-attach web bridge=nosuch
has "$said" 'The bridge nosuch does not exist\.'
xl destroy web
is "$(grep -w "$vif" /run/logged)" "online $vif
offline $vif"
has_no_rules "$vif"

printf 'vif.default.%s\n' 'script="vif-route"' 'gatewaydev="office"' >/etc/xen/xl.conf
guest web pv 'mac=00:16:3e:00:00:11,ip=10.10.0.2'
start web
has "$(ip route)" "^10\.10\.0\.2 dev $(vif web) .*src 10\.9\.1\.1"
in_guest web 'ip addr add 10.10.0.2/32 dev eth0; ip link set eth0 up; ip route add 10.9.1.1 dev eth0'
reaches web 10.9.1.1
xl destroy web
lacks "$(ip route)" '10\.10\.'
