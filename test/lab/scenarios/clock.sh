# Dom0's clock is stepped back and forth while hooks run, while one waits for another, and while a start awaits its confirmation

# Usage: stepping COMMAND…  Runs it while the clock jumps by hours, and ends with it; a pause is no child, since a process takes long
# to start here.
stepping() {
  local status=0 stepper
  {
    exec 9<> <(:)
    trap 'exit' TERM
    while :; do
      for step in '3 hours' '6 hours ago' '3 hours'; do
        date -s "$step"
        read -rt 0.2 -u 9 || true
      done
    done >/dev/null
  } &
  stepper=$!
  "$@" || status=$?
  kill "$stepper"
  wait "$stepper" || true
  set_right
  return "$status"
}
uptime_s() { cut -d. -f1 /proc/uptime; }
# Dom0 gets its time back, by which the scenarios' own waits are bounded.
before_s=$(date +%s)
began_s=$(uptime_s)
set_right() { date -s "@$((before_s + $(uptime_s) - began_s))"; }
later set_right
online() { XENBUS_TYPE=vif XENBUS_PATH=backend/vif/$(xl domid web)/0 vif=$(vif web) vif-bridge online type_if=vif; }
offline() { XENBUS_TYPE=vif XENBUS_PATH=backend/vif/$(xl domid web)/0 vif=$(vif web) vif-bridge offline type_if=vif; }

before=$(host_state)
later network-bridge stop
stepping network-bridge start antispoof=yes
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
for _ in 1 2 3; do
  stepping offline
  is "$(master "$(vif web)")" ''
  stepping online
  is "$(master "$(vif web)")" xenbr0
  is "$(backend web hotplug-status)" connected
done
stepping xen-network refilter
reaches web 192.0.2.1
outside ping -c 2 192.0.2.11

# One that waits for another neither gives up nor waits any longer.
flock /var/run/xen-hotplug/network-bridge sleep 5 &
soon not flock -n /var/run/xen-hotplug/network-bridge true
began=$(uptime_s)
stepping network-bridge start antispoof=yes
took=$(($(uptime_s) - began))
[ "$took" -ge 4 ] || fail "waited for $took s only"
note "a start behind another that held the lock for 5 s took $took s"
xl destroy web
network-bridge stop
unchanged_since "$before"

# A start that nobody confirms is undone after as many seconds as it says, however the clock goes.
began=$(uptime_s)
stepping network-bridge start confirm=30
has "$(ip -br link)" '^peth0 '
await_undone() {
  while [ -e /sys/class/net/peth0 ] && [ $(($(uptime_s) - began)) -lt 300 ]; do sleep 0.2; done
}
stepping await_undone
took=$(($(uptime_s) - began))
[ "$took" -ge 30 ] || fail "undone after $took s"
note "a start with confirm=30 was undone after $took s, while the clock jumped by hours"
unchanged_since "$before"
