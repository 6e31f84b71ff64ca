#!/bin/sh
# Makes a Debian machine ready for `npm run build`, `npm run demo`, `npm test` or `npm run test:xen` (the lab): the Debian
# packages that are missing, then node_modules. A second run does nothing and needs no network.
# Usage: tools/setup.sh build|man|package|release|demo|test|lab
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
policy=/usr/sbin/policy-rc.d
log=
made_policy=

say() { printf 'setup: %s\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

cleanup() {
  if [ -n "$made_policy" ]; then rm -f "$policy"; fi
  if [ -n "$log" ]; then rm -f "$log"; fi
}

# Runs a command with its output kept back; shows that only when the command fails.
quietly() {
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    return 1
  fi
}

installed() { dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

# Packages ask policy-rc.d whether they may start their services: 101 says no.
hold_services() {
  if [ -e "$policy" ] || [ -L "$policy" ]; then return 0; fi
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

apt() { DEBIAN_FRONTEND=noninteractive quietly apt-get -q -y -o DPkg::Lock::Timeout=600 "$@"; }

# The name of a xen-utils package carries the Xen version; each Debian release has one.
xen_utils() {
  apt-cache search --names-only '^xen-utils-4\.[0-9]+$' | cut -d ' ' -f 1 | sort -V | tail -n 1
}

# Fails when apt does not get them.
install_packages() {
  missing=
  for package in "$@"; do
    installed "$package" || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing the Debian packages$missing"
  hold_services
  apt update || say "apt-get update failed; going on with the package lists that are here"
  names=
  for package in $missing; do
    case $package in
      'xen-utils-4.*')
        package=$(xen_utils)
        if [ -z "$package" ]; then
          say "apt offers no xen-utils-4.x package, which holds xenstored; check the apt sources" >&2
          return 1
        fi
        ;;
    esac
    names="$names $package"
  done
  # shellcheck disable=SC2086 # package names, one word each
  if ! apt install --no-install-recommends $names; then
    say "apt-get could not install$names; its output is above" >&2
    return 1
  fi
}

# The engine's source is packed by xz.
compiler='gcc libc6-dev xz-utils'
# The C library that the program is linked with where it is installed.
starts_fast() { [ -e "/usr/lib/$(uname -m)-linux-musl/rcrt1.o" ]; }

# The build needs neither root nor Debian where this is so.
can_compile() {
  command -v xz >/dev/null || return 1
  case $(cc -print-file-name=libc.a 2>/dev/null || gcc -print-file-name=libc.a 2>/dev/null) in
    /*) ;;
    *) return 1 ;;
  esac
}

install_modules() {
  if [ -f node_modules/.package-lock.json ] &&
    [ -z "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
    return 0
  fi
  say "installing node_modules from package-lock.json"
  # npm run puts node_modules/.bin, which npm ci is about to delete, first in PATH; it holds a node as well.
  PATH=$(printf '%s\n' "$PATH" | tr ':' '\n' | grep -v '/node_modules/\.bin$' | paste -s -d : -)
  quietly npm ci --include=dev --include=optional --no-audit --no-fund --loglevel=error ||
    die "npm ci failed; its output is above."
}

what=${1-}
case $what in
  build) if can_compile && { starts_fast || [ "$(id -u)" -ne 0 ] || ! command -v apt-get; } >/dev/null; then exit 0; fi ;;
  man) if can_compile && command -v scdoc >/dev/null; then exit 0; fi ;;
  package | release | demo | test | lab) ;;
  *)
    echo "usage: tools/setup.sh build|man|package|release|demo|test|lab" >&2
    exit 2
    ;;
esac
if [ "$(id -u)" -ne 0 ]; then
  case $what in
    build) die "the build needs a C compiler, the static C library and xz: apt-get install $compiler, or run it as root." ;;
    man) die "the manual pages need scdoc, a C compiler, the static C library and xz: apt-get install $compiler scdoc." ;;
  esac
fi
[ "$(id -u)" -eq 0 ] || die "must run as root: the $what makes network namespaces and may install Debian packages."
if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  die "this is no Debian (no apt-get and dpkg-query), so the tools that the $what needs cannot be installed."
fi
major=$(node -p 'process.versions.node.split(".")[0]') || die "node does not run; install Node 20 or newer."
[ "$major" -ge 20 ] || die "Node $major is too old; install Node 20 or newer."

cd "$root"
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM
log=$(mktemp)

package='scdoc gcc-aarch64-linux-gnu libc6-dev-arm64-cross rpm lintian rpmlint binutils'
release='mmdebstrap debian-archive-keyring strace openssh-server ansible-core ansible-lint qemu-user-static arch-test'
lab='debian-archive-keyring e2fsprogs gpg mmdebstrap mount qemu-system-x86 seabios util-linux xz-utils zstd'
demo='iproute2 iptables nftables iputils-ping xenstore-utils util-linux'
# shellcheck disable=SC2086 # package names, one word each
case $what in
  build) set -- $compiler ;;
  man) set -- $compiler scdoc ;;
  package) set -- $compiler $package ;;
  release) set -- $compiler $package $demo $release xen-utils-common 'xen-utils-4.*' procps ;;
  demo) set -- $compiler $demo ;;
  lab) set -- $compiler $lab ;;
  test)
    set -- $compiler $demo bridge-utils strace xen-utils-common 'xen-utils-4.*' ebtables dnsmasq-base \
      isc-dhcp-server isc-dhcp-client procps openvswitch-switch ovn-central ovn-host net-tools ethtool iputils-arping \
      shellcheck udev binutils scdoc man-db groff-base
    ;;
esac
install_packages "$@" || die "the $what cannot do without these packages."
starts_fast || install_packages musl-dev || say "the program will be linked with glibc, which starts more slowly"
if [ "$what" = test ] && [ "$(uname -m)" = x86_64 ]; then
  # shellcheck disable=SC2086
  install_packages $lab || say "npm test will skip what needs these packages: a real Xen in QEMU"
fi
if [ "$what" = test ]; then
  install_packages lintian rpm rpmlint || say "npm test will skip what needs these packages: a look through our own"
  install_packages prometheus prometheus-node-exporter ||
    say "npm test will skip what needs these packages: Prometheus's own readers"
fi
install_modules
say "ready"
