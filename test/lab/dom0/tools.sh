# What the scenarios share; sourced.

# What this Debian release is.
# shellcheck source=/dev/null
. /payload/settings
reason=/run/lab-reason   # why a scenario failed
consoles=/var/log/xen/console
peer=/dev/tcp/192.0.2.20/8001 # where the second host of two does what the first tells it
cleanup=()

# Usage: fail WORDS  Ends the scenario; the words are kept, with the scenario's line.
fail() {
  local i line=
  trap - ERR
  for i in "${!BASH_SOURCE[@]}"; do
    if [[ $i -gt 0 && ${BASH_SOURCE[i]} == */scenarios/* ]]; then line="line ${BASH_LINENO[i - 1]}: "; fi
  done
  [ -s "$reason" ] || echo "$line$*" >"$reason"
  for i in 'ip -br link' 'ip -br addr' 'bridge link' 'ip neigh' 'ip -n outside neigh' 'iptables -S FORWARD' 'xl list'; do
    echo "--- $i" && $i
  done >&2
  exit 1
}

# Usage: later COMMAND…  To be run at the scenario's end, the last one first, whatever happens.
later() { cleanup=("$(printf '%q ' "$@")" "${cleanup[@]}"); }

clean_up() {
  local name command
  set +e
  trap - ERR
  for name in $(xl list 2>/dev/null | awk 'NR > 2 { print $1 }'); do xl destroy "$name"; done
  for command in "${cleanup[@]}"; do eval "$command" 2>/dev/null; done
}

# Usage: note WORDS  What whoever runs the lab is to read of a scenario that passes: what it left out here, and why.
note() { echo "lab: note $*"; }

# Usage: is GOT WANTED  Both have to be the same text.
is() { [ "$1" = "$2" ] || fail "got '$1', not '$2'"; }

# Usage: has TEXT PATTERN  An extended regular expression has to match one of the lines.
has() { grep -qE -e "$2" <<<"$1" || fail "no line matches '$2' in: $1"; }
lacks() { ! grep -qE -e "$2" <<<"$1" || fail "a line matches '$2' in: $1"; }

# Usage: fails COMMAND…  Must fail; what it printed is in $said.
fails() {
  if said=$("$@" 2>&1); then fail "succeeded: $*"; fi
  echo "$said"
}

# Usage: not COMMAND…  Succeeds when the command fails.
not() { ! "$@"; }

# Usage: soon COMMAND…  Succeeds as soon as the command does, within two minutes.
soon() {
  local end=$((SECONDS + 120))
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "not within two minutes: $*"
    sleep 0.2
  done
}

# Usage: make_bridge NAME [ADDRESS/LENGTH…]  A bridge for the time of the scenario.
make_bridge() {
  local name=$1 address
  shift
  ip link add "$name" type bridge
  later ip link del "$name"
  for address; do ip addr add "$address" dev "$name"; done
  ip link set "$name" up
}

# Usage: eight_bridges [SETTINGS]  Makes br0 to br7, and in vifs= a card on each of them, with more settings.
eight_bridges() {
  local number
  vifs=()
  for number in {0..7}; do
    make_bridge "br$number" "10.9.$number.1/24"
    vifs+=("mac=00:16:3e:00:00:1$number,bridge=br$number,ip=10.9.$number.11${1-}")
  done
}
# Usage: on_eight_bridges GUEST  It and dom0 reach each other on each of these bridges.
on_eight_bridges() {
  local number
  for number in {0..7}; do
    in_guest "$1" "ip addr add 10.9.$number.11/24 dev eth$number; ip link set eth$number up"
    reaches "$1" "10.9.$number.1"
    ping -c 2 -I "br$number" "10.9.$number.11"
  done
}

# Usage: outside COMMAND…  Runs it on the machine at the other end of dom0's network cable.
outside() { ip netns exec outside "$@"; }

# Usage: peer COMMAND…  Runs a command, which may be one of these, on the second host of two; prints what it prints there, and
# fails with it (answer.sh).
peer() {
  local said
  exec 8<>"$peer"
  { printf '%q ' "$@" && echo; } >&8
  said=$(cat <&8)
  exec 8>&-
  sed '/^peer: /d' <<<"$said"
  [[ $said == *'peer: 0 '* ]] || fail "the second host: $*: $(sed -n 's/^peer: [0-9]* //p' <<<"$said")"
}
peer_answers() { (: <>"$peer"); }

# Usage: guest NAME pv|pvh|hvm VIF…  Writes the guest's configuration. lines= holds more lines of it.
guest() {
  local name=$1 type=$2 vif list= kernel=vmlinux memory=160 hvm=
  shift 2
  for vif; do list+="'$vif', "; done
  if [ "$type" = hvm ]; then
    kernel=vmlinuz memory=256
    # Without the cards' start-up programs, which would look for a network to boot from.
    hvm="vga = 'none'
device_model_args_hvm = [ $(printf "'-global', '%s.romfile=', " virtio-net-pci rtl8139 e1000) ]"
  fi
  cat >"/run/$name.cfg" <<END
name = '$name'
type = '$type'
kernel = '/guest/$kernel'
ramdisk = '/guest/initrd.img'
extra = 'console=hvc0 quiet mitigations=off'
memory = $memory
vif = [ $list ]
$hvm
${lines-}
END
}

# Usage: start NAME…  Makes the guests, one after another, and waits until they take commands.
start() {
  local name before
  for name; do
    before=$(count_starts "$name")
    xl create "/run/$name.cfg"
    await_guest "$name" "$before"
  done
}

count_starts() { count_lines "$1" '^guest: ready'; }
count_panics() { count_lines "$1" 'Kernel panic'; }
count_lines() { cat "$consoles/guest-$1.log" 2>/dev/null | grep -c "$2" || true; }

# Usage: await_guest NAME BEFORE  Waits until the guest has started once more than BEFORE times.
await_guest() {
  local log=$consoles/guest-$1.log end=$((SECONDS + 600)) panics
  panics=$(count_panics "$1")
  until [ "$(count_starts "$1")" -gt "${2:-0}" ]; do
    if [ $SECONDS -ge $end ] || [ "$(count_panics "$1")" -gt "$panics" ]; then
      tail -60 "$log"
      fail "$1 does not start"
    fi
    sleep 0.3
  done
}

# Usage: tell NAME NUMBER COMMAND…  Types a command at a guest's console.
tell() { echo "${*:2}" >"$(xenstore-read "/local/domain/$(xl domid "$1")/console/tty")"; }

# Usage: in_guest NAME COMMAND…  Runs a shell command in a guest, through its console; prints what that printed and
# ends with its status.
in_guest() {
  local name=$1 log=$consoles/guest-$1.log number=$EPOCHREALTIME end=$((SECONDS + 120)) from
  shift
  from=$(($(stat -c %s "$log") + 1))
  tell "$name" "$number" "$@"
  until answer=$(tail -c "+$from" "$log" | tr -d '\r' | grep -E "^guest: $number "); do
    [ $SECONDS -lt $end ] || fail "$name does not answer to: $*"
    sleep 0.1
  done
  tail -c "+$from" "$log" | tr -d '\r' | sed "/^guest: $number /d"
  return "${answer##* }"
}

# Usage: address GUEST ADDRESS/LENGTH…  Gives a guest's eth0 these addresses and no others.
address() {
  local name=$1 address commands='ip addr flush dev eth0'
  shift
  for address; do commands+="; ip addr add $address dev eth0"; done
  in_guest "$name" "$commands; ip link set eth0 up"
}

# Usage: lease GUEST [DEVICE]  The guest asks for its address by DHCP.
lease() { in_guest "$1" "ip link set ${2:-eth0} up && udhcpc -i ${2:-eth0} -n -q -t 10 -s /bin/lease"; }

# Usage: reaches GUEST ADDRESS / cannot_reach GUEST ADDRESS  Whether the guest's pings are answered.
reaches() { in_guest "$1" "ping -c 1 -W 2 $2 || ping -c 2 -W 4 $2" || fail "$1 does not reach $2"; }
cannot_reach() { ! in_guest "$1" "ping -c 2 -W 2 $2" || fail "$1 reaches $2"; }

# Usage: vif NAME [DEVID]  A guest's device by the kernel's name.
vif() { echo "vif$(xl domid "$1").${2:-0}"; }

# Usage: backend NAME KEY [DEVID]  What xenstore holds of a guest's vif.
backend() { xenstore-read "/local/domain/0/backend/vif/$(xl domid "$1")/${3:-0}/$2"; }

# Usage: is_up DEVICE  Whether it has its carrier and says so: packets may pass up to a second before.
is_up() { [ "$(cat "/sys/class/net/$1/operstate")" = up ]; }

# The device's bridge, or nothing.
master() { basename "$(readlink "/sys/class/net/$1/master" || true)"; }

# iptables' rules that name a device, without their comments.
rules_of() { iptables -S | grep -F -w -e "$1" | without_comments; }
rules6_of() { ip6tables -S | grep -F -w -e "$1" | without_comments; }
without_comments() { sed -E 's/ -m comment --comment "[^"]*"//'; }
has_no_rules() { [ -z "$(rules_of "$1")" ]; }

# All of dom0's network that a scenario has to leave as it was, once the kernel has looked whether its new IPv6
# addresses are free.
host_state() {
  local end=$((SECONDS + 30))
  while [[ $(ip -6 addr) == *tentative* && $SECONDS -lt $end ]]; do sleep 0.2; done
  {
    ip -o link
    ip -o addr
    ip -4 route show table all
    ip -6 route show table all | sort
    ip rule
    ip -6 rule
    bridge vlan
    nft -s list ruleset
    cat /etc/dhcp/dhcpd.conf /etc/default/isc-dhcp-server
    sysctl net.ipv4.ip_forward net.ipv4.conf.eth0.proxy_arp net.ipv6.conf.all.forwarding
    xenstore-ls -f /local/domain/0/backend/vif
    find /run/xen-network -type f -not -path '*/lock/*'
  } 2>/dev/null | sed 's/^[0-9]*: //' || true
}

# Usage: unchanged_since STATE  STATE is what host_state said before. What comes back by itself has 10 s to do so, as
# an IPv6 address has that the kernel first looks for in the network.
unchanged_since() {
  local end=$((SECONDS + 10)) left
  until left=$(diff <(echo "$1") <(host_state)); do
    [ $SECONDS -lt $end ] || fail "dom0 is not as it was: $left"
    sleep 1
  done
}

# Usage: boot_as_server SCENARIO SECONDS  Dom0 starts again, by systemd, with what the scenario has set up, and goes on with the
# scenario there as boot 1, which may take so long (server.sh).
boot_as_server() {
  systemd-machine-id-setup
  # Debian's own units and what the lab needs, and no question at the console. libvirtd.service conflicts with xendomains.
  systemctl mask serial-getty@hvc0.service systemd-firstboot.service
  systemctl disable isc-dhcp-server openvswitch-switch libvirtd libvirt-guests || true
  mkdir -p /etc/systemd/system.conf.d /etc/systemd/journald.conf.d
  printf '[Manager]\nShowStatus=no\n' >/etc/systemd/system.conf.d/lab.conf
  printf '[Journal]\nStorage=volatile\n' >/etc/systemd/journald.conf.d/lab.conf
  grep -q log=all /etc/default/xen || echo "XENCONSOLED_ARGS='--log=all'" >>/etc/default/xen
  cat >/etc/systemd/system/lab-outside.service <<'END'
[Unit]
DefaultDependencies=no
After=systemd-udev-trigger.service systemd-tmpfiles-setup.service
Before=network-pre.target
Wants=network-pre.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/payload/dom0/outside.sh
[Install]
WantedBy=multi-user.target
END
  cat >/etc/systemd/system/lab.service <<'END'
[Unit]
After=multi-user.target
[Service]
ExecStart=/payload/dom0/server.sh
Environment=HOME=/root LANG=C TERM=dumb
TTYPath=/dev/hvc0
StandardInput=null
StandardOutput=tty
StandardError=tty
[Install]
WantedBy=multi-user.target
END
  systemctl enable lab-outside lab
  echo "$1 $2" >/lab/server
  echo 1 >>/lab/server
  cp -p /lab/init /lab/init.lab
  cp /payload/dom0/server-init /lab/init
  cut_power
}

# Usage: next_boot  What boots after this goes on with the scenario as the next one; guests are left to the end of this boot.
next_boot() {
  trap - EXIT
  sed -i "2s/.*/$((boot + 1))/" /lab/server
}

# Usage: cut_power  Dom0 starts again at once, as after a reset; its disk is written before.
cut_power() {
  sync
  echo b >/proc/sysrq-trigger
  sleep 60
}
