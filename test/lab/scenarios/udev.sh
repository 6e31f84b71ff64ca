# Hooks that udev calls by vif-setup, as in the days of xend: a PV guest, its own script, an HVM guest's tap

cp -p /etc/xen/xl.conf /run/xl.conf
later mv /run/xl.conf /etc/xen/xl.conf
echo 'run_hotplug_scripts=0' >/etc/xen/xl.conf
mkdir -p /run/udev/rules.d
later udevadm control --reload
later rm /run/udev/rules.d/xen.rules
cat >/run/udev/rules.d/xen.rules <<'END'
ENV{UDEV_CALL}="1"
SUBSYSTEM=="xen-backend", KERNEL=="vif-*", ACTION=="online|offline", RUN+="/etc/xen/scripts/vif-setup $env{ACTION} type_if=vif"
SUBSYSTEM=="net", KERNEL=="vif*-emu", ACTION=="add", RUN+="/etc/xen/scripts/vif-setup add type_if=tap"
END
udevadm control --reload
make_bridge xenbr0 10.9.0.1/24
make_bridge xenbr1 10.9.1.1/24

guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr1,ip=10.9.1.11' \
  'mac=00:16:3e:00:00:12,script=vif-route,ip=10.10.0.2,gatewaydev=xenbr0'
start web
vif=$(vif web)
not xenstore-read libxl/disable_udev
is "$(master "$vif")" xenbr1
is "$(backend web hotplug-status)" connected
has "$(ip route)" "^10\.10\.0\.2 dev $(vif web 1) .*src 10\.9\.0\.1"
address web 10.9.1.11/24
in_guest web 'ip addr add 10.10.0.2/32 dev eth1; ip link set eth1 up; ip route add 10.9.0.1 dev eth1'
reaches web 10.9.1.1
reaches web 10.9.0.1
xl destroy web
soon has_no_rules "$vif"
unrouted() { [ -z "$(ip route show 10.10.0.2)" ]; }
soon unrouted

lines="cmdline = 'console=hvc0 quiet mitigations=off xen_emul_unplug=never lab.driver=virtio_net'"
guest web hvm 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11,model=virtio-net'
start web
vif=$(vif web)
on_bridge() { [ "$(master "$1")" = xenbr0 ]; }
soon on_bridge "$vif"
soon on_bridge "$vif-emu"
address web 10.9.0.11/24
reaches web 10.9.0.1
xl destroy web
soon has_no_rules "$vif"
soon has_no_rules "$vif-emu"
