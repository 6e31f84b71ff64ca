// The shell functions that a sourced post hook may call: the names are those that published hooks use, the text is our
// own. `fatal` only prints and exits: the hook that runs us reports the reason to xenstore. Functions for what the hook
// has done already (rules, the rename) do nothing.

const SPEAKING = `
set -e
dir=/etc/xen/scripts
log() { local level=$1; shift; logger -p "daemon.$level" -t vif-post -- "$*" 2>/dev/null || :; }
fatal() { log err "$*"; printf '%s\\n' "$*" >&2; exit 1; }
sigerr() { fatal "\${hook##*/} failed in line $1"; }
do_or_die() { "$@" || fatal "$* failed"; }
do_without_error() { "$@" 2>/dev/null || log debug "$* failed"; }
xenstore_read() { local v; v=$(xenstore-read "$@" || :); [ -n "$v" ] || fatal "xenstore-read $* failed"; printf '%s\\n' "$v"; }
xenstore_read_default() { xenstore-read "$1" 2>/dev/null || printf '%s\\n' "$2"; }
xenstore_write() { xenstore-write "$@" || fatal "xenstore-write $* failed"; }
_xenstore_write() { xenstore_write "$@"; }
success() { xenstore_write "$XENBUS_PATH/hotplug-status" connected; }
evalVariables() {
  local word
  for word; do
    if [[ $word =~ ^[A-Za-z_][A-Za-z0-9_]*= ]]; then declare -g "\${word%%=*}=\${word#*=}"; fi
  done
}
`;

const NETWORK = `
ip_of() { ip -4 -o addr show primary dev "$1" | { read -r _ _ _ a _ && printf '%s\\n' "\${a%%/*}"; }; }
dom0_ip() { ip_of "\${netdev:-eth0}" || fatal "\${netdev:-eth0} has no IPv4 address"; }
iptables_w() { iptables -w "$@"; }
frob_iptable() {
  local verb=-I match
  case $command in offline | remove) verb=-D ;; esac
  for match in "--physdev-in $dev $*" "--physdev-out $dev"; do
    # shellcheck disable=SC2086
    iptables_w "$verb" FORWARD -m physdev --physdev-is-bridged $match -j ACCEPT 2>/dev/null ||
      log err "iptables $verb FORWARD $match failed"
  done
}
handle_iptable() { log debug "the rules of $dev are in place"; }
create_bridge() {
  [ -e "/sys/class/net/$1/bridge" ] || do_or_die ip link add name "$1" type bridge stp_state 0 forward_delay 0
}
add_to_bridge() { do_or_die ip link set dev "$2" master "$1"; do_or_die ip link set dev "$2" up; }
remove_from_bridge() { do_without_error ip link set dev "$2" nomaster; }
set_mtu() {
  local mtu
  read -r mtu <"/sys/class/net/$1/mtu" && do_or_die ip link set dev "$2" mtu "$mtu"
}
setup_bridge_port() { do_or_die ip link set dev "$1" address fe:ff:ff:ff:ff:ff; do_without_error ip addr flush dev "$1"; }
setup_virtual_bridge_port() { setup_bridge_port "$1"; }
setup_physical_bridge_port() { do_or_die ip link set dev "$1" up; }
rename_vif() { log debug "$dev has its name"; }
`;

const FILES = `
first_file() {
  local test=$1 file
  shift
  for file; do
    if [ "$test" "$file" ]; then printf '%s\\n' "$file"; return 0; fi
  done
  return 1
}
find_dhcpd_conf_file() { first_file -f /etc/dhcp3/dhcpd.conf /etc/dhcp/dhcpd.conf /etc/dhcpd.conf; }
find_dhcpd_init_file() {
  first_file -x /etc/init.d/isc-dhcp-server /etc/init.d/dhcp3-server /etc/init.d/dhcp /etc/init.d/dhcpd
}
find_dhcpd_arg_file() {
  first_file -f /etc/sysconfig/dhcpd /etc/defaults/dhcp /etc/default/dhcp3-server /etc/default/isc-dhcp-server
}
lock_folder=/var/run/xen-hotplug
claim_lock() {
  mkdir -p "$lock_folder"
  while :; do
    exec {lock_fd}<>"$lock_folder/$1"
    flock -x "$lock_fd"
    [ "$lock_folder/$1" -ef "/proc/self/fd/$lock_fd" ] && return
    exec {lock_fd}<&-
  done
}
release_lock() { rm -f "$lock_folder/$1"; exec {lock_fd}<&-; }
call_hooks() {
  local hook
  # These are what is under way.
  if [ "$1-$2" = vif-post ]; then return 0; fi
  for hook in "$dir/$1-$2.d"/*.hook; do
    if [ -x "$hook" ]; then . "$hook"; fi
  done
}
`;

const RUNNING = `
trap 'sigerr $LINENO' ERR
for hook in "$dir"/vif-post.d/*.hook; do
  if [ -x "$hook" ]; then . "$hook"; fi
done
`;

/** The text that bash is given: helpers, then the hooks that it sources. */
export const PRELUDE = `${SPEAKING}${NETWORK}${FILES}${RUNNING}`;
