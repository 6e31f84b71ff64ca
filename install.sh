#!/bin/sh
# Puts xen-network in the place of the Xen network hook scripts, and takes it back.
#
# The hooks' names are the program's business: "xen-network hooks enable" puts links in their places and keeps the
# stock scripts, "hooks disable" gives them back. This script puts the program there, and takes it away.
#
# What is made stands in the manifest before it is made, so the next run completes, or takes back, an interrupted one.
set -euf
umask 022
unset CDPATH
export LC_ALL=C

usage() {
  cat <<'EOF'
usage: install.sh [options]

  --destdir DIR      install under DIR instead of /, for making a package
  --scripts-dir DIR  where Xen looks for its scripts (default: /etc/xen/scripts)
  --boot KIND        also start the network at boot: systemd, openrc or sysv; where that is
                     found out by itself: auto. Nothing is enabled; that takes a word to it
  --uninstall        remove xen-network and put the stock scripts back
  --dry-run          say what would be done and change nothing
  --help             print this help
EOF
}

bad_usage() {
  printf 'install.sh: %s; see install.sh --help.\n' "$1" >&2
  exit 2
}

warn() { printf 'install.sh: %s\n' "$*" >&2; }

die() {
  warn "$1"
  exit 1
}

# Does one change, after the words that say what it is; --dry-run only says them.
change() {
  what=$1
  shift
  changes=$((changes + 1))
  if [ -n "$dry_run" ]; then
    printf 'would %s\n' "$what"
    return 0
  fi
  output=$("$@" 2>&1) || die "could not $what: $(printf '%s' "$output" | tr '\n' ' ')"
  printf '%s\n' "$what"
}

report() {
  if [ "$changes" -eq 0 ]; then
    printf '%s; there was nothing to change\n' "$1"
  elif [ -z "$dry_run" ]; then
    printf '%s\n' "$1"
  fi
}

exists() { [ -e "$1" ] || [ -L "$1" ]; }
is_link_to() { [ -L "$1" ] && [ "$(readlink -- "$1")" = "$2" ]; }

# A path with its links resolved; its last parts need not exist yet.
resolve() {
  head=$1 tail=
  while [ ! -d "$head" ]; do
    tail=/${head##*/}$tail
    case $head in
      /*/*) head=${head%/*} ;;
      /*) head=/ ;;
      */*) head=${head%/*} ;;
      *) head=. ;;
    esac
  done
  head=$(cd -P -- "$head" && pwd -P)
  printf '%s\n' "${head%/}$tail"
}

# The way from the directory $1 to $2, both absolute and without links.
relative() {
  from=$1 up=
  while [ -n "$from" ]; do
    case $2 in "$from"/*) break ;; esac
    from=${from%/*} up=../$up
  done
  printf '%s\n' "$up${2#"$from"/}"
}

# `dir NAME` for each directory below the root that is missing on the way to $1.
list_missing() {
  dir=$1
  while [ -n "$dir" ] && [ ! -d "$root$dir" ]; do
    printf 'dir %s\n' "$dir"
    dir=${dir%/*}
  done
}

need_write() {
  for dir in "$root$scripts" "$library" "${tool%/*}"; do
    while [ -n "$dir" ] && [ ! -d "$dir" ]; do dir=${dir%/*}; done
    [ -w "${dir:-/}" ] || die "cannot write to ${dir:-/}: it is read-only, or belongs to another user."
  done
}

make_dir() { [ -d "$1" ] || change "make the directory $1" mkdir -p -- "$1"; }
write_file() { printf '%s\n' "$2" >"$1.new" && mv -fT -- "$1.new" "$1"; }
copy_file() { cp -- "$2" "$3.new" && chmod "$1" "$3.new" && mv -fT -- "$3.new" "$3"; }
place_link() { ln -sfn -- "$1" "${2%/*}/.xen-network-new" && mv -fT -- "${2%/*}/.xen-network-new" "$2"; }
from_manifest() { if [ -f "$manifest" ]; then sed -n "s/^$1 //p" "$manifest"; fi; }

save_manifest() {
  text=$(
    printf 'scripts %s\nabove %s\n' "$scripts" "$above"
    printf '%s\n' "$dirs" | grep . | sort -ru
    printf '%s\n' "$files" | grep . | sort -u
  )
  if [ "$text" != "$(cat "$manifest" 2>/dev/null)" ]; then
    change "write $manifest" write_file "$manifest" "$text"
  fi
}

# The program's own business: links in the places of the hooks. $1 is the program that does it.
change_hooks() {
  told=$(
    "$1" hooks "$2" --scripts-dir "$scripts" --program /usr/lib/xen-network/xen-network \
      ${root:+--root "$root"} ${dry_run:+--dry-run}
  ) && hooks_status=0 || hooks_status=$?
  if [ -n "$told" ]; then
    changes=$((changes + 1))
    printf '%s\n' "$told"
  fi
  [ "$hooks_status" -lt 2 ] || die "$1 could not $2 the hooks."
}

# Sets boot_files for a way to boot, with their folder and mode, and boot_word, which makes it part of a boot.
boot_of() {
  case $1 in
    systemd)
      boot_dir=/usr/lib/systemd/system boot_files='' boot_mode=644
      for unit in xen-network.service xen-network-traffic.service xen-network-traffic.timer; do
        boot_files="$boot_files $boot_dir/$unit"
      done
      boot_word='systemctl enable xen-network'
      ;;
    openrc)
      boot_dir=/etc/init.d boot_files=/etc/init.d/xen-network boot_mode=755
      boot_word='rc-update add xen-network default'
      ;;
    sysv)
      boot_dir=/etc/init.d boot_files=/etc/init.d/xen-network boot_mode=755
      boot_word='update-rc.d xen-network defaults'
      ;;
  esac
}

# What this system boots by.
boot_here() {
  if [ -d "$root/run/systemd/system" ] || [ -e "$root/usr/lib/systemd/systemd" ] || [ -e "$root/lib/systemd/systemd" ]; then
    echo systemd
  elif [ -e "$root/sbin/openrc-run" ] || [ -e "$root/usr/bin/openrc-run" ]; then
    echo openrc
  else
    echo sysv
  fi
}

# The file in init/ that goes to a path of boot_files.
boot_source() {
  case $1 in
    /etc/init.d/*) echo "$here/init/xen-network.$boot" ;;
    *) echo "$here/init/${1##*/}" ;;
  esac
}

install_boot() {
  put=''
  for file in $boot_files; do
    make_dir "$root${file%/*}"
    source=$(boot_source "$file")
    cmp -s -- "$source" "$root$file" && continue
    change "install $root$file" copy_file "$boot_mode" "$source" "$root$file"
    put=yes
  done
  [ -z "$put" ] || [ "$dry_run" ] || printf 'to have it started at boot: %s\n' "$boot_word"
}

# Notices and manual pages, by their paths below the root; $share is where they come from.
list_shared() { (cd -- "$share" && find . -type f | sed 's,^\.,/usr/share,' | sort); }

install_shared() {
  for file in $shared; do
    source=$share${file#/usr/share}
    cmp -s -- "$source" "$root$file" && continue
    make_dir "$root${file%/*}"
    change "install $root$file" copy_file 644 "$source" "$root$file"
  done
}

# What an earlier version brought and this one does not.
drop_shared() {
  dropped=
  for file in $(from_manifest file | grep '^/usr/share/'); do
    if printf '%s\n' "$shared" | grep -qxF -e "$file"; then continue; fi
    ! exists "$root$file" || change "remove $root$file" rm -f -- "$root$file"
    files=$(printf '%s\n' "$files" | grep -vxF -e "file $file" || true) dropped=yes
  done
  [ -z "$dropped" ] || save_manifest
}

install_all() {
  here=$(cd -P -- "$(dirname -- "$0")" && pwd -P)
  program=$here/dist/xen-network
  [ -f "$program" ] || program=$here/xen-network
  [ -f "$program" ] || die "there is no $here/dist/xen-network; make it first with npm run build."
  version=$("$program" --version 2>/dev/null) ||
    die "$program does not run on this machine ($(uname -s) $(uname -m)); build it here with npm run build."
  if exists "$tool" && ! is_link_to "$tool" "$tool_link"; then
    die "$tool belongs to something else; move it away and run install.sh again."
  fi

  share=$here/dist/share
  [ -d "$share" ] || share=$here/share
  [ -f "$share/doc/xen-network/copyright" ] ||
    die "there are no notices in $share/doc/xen-network, which have to go with the program; make them with npm run build."
  shared=$(list_shared)
  files=$(
    if [ -f "$manifest" ]; then grep '^file ' "$manifest" || true; fi
    for file in $shared; do printf 'file %s\n' "$file"; done
  )
  if [ -n "$boot" ]; then
    for file in $boot_files; do
      source=$(boot_source "$file")
      [ -f "$source" ] || die "there is no $source to start the network at boot by."
      if exists "$root$file" && ! printf '%s\n' "$files" | grep -qxF -e "file $file" &&
        ! cmp -s -- "$source" "$root$file"; then
        die "$root$file belongs to something else; move it away and run install.sh again."
      fi
      files="$files
file $file"
    done
  fi
  dirs=$(
    if [ -f "$manifest" ]; then grep '^dir ' "$manifest" || true; fi
    printf 'dir %s\n' /usr/lib/xen-network
    for dir in "$scripts" /usr/lib /usr/sbin ${boot:+"$boot_dir"}; do list_missing "$dir"; done
    for file in $shared; do list_missing "${file%/*}"; done
  )
  make_dir "$library"
  save_manifest
  make_dir "$root$scripts"
  make_dir "${tool%/*}"
  if ! cmp -s -- "$program" "$library/xen-network"; then
    change "install $library/xen-network" copy_file 755 "$program" "$library/xen-network"
  fi
  [ -z "$boot" ] || install_boot
  install_shared
  drop_shared
  change_hooks "$program" enable
  is_link_to "$tool" "$tool_link" || change "link $tool to $tool_link" place_link "$tool_link" "$tool"
  [ "$hooks_status" -eq 0 ] || die "$version is installed but for the hooks named above."
  report "$version is installed with its hooks in $root$scripts"
}

uninstall_all() {
  dirs=$(grep '^dir ' "$manifest" || true)
  here=$(cd -P -- "$(dirname -- "$0")" && pwd -P)
  for program in "$here/dist/xen-network" "$here/xen-network" "$library/xen-network" ''; do
    [ "$program" ] || die "no xen-network is left to give the hooks back; make one with npm run build."
    [ ! -f "$program" ] || break
  done
  change_hooks "$program" disable
  ! is_link_to "$tool" "$tool_link" || change "remove $tool" rm -f -- "$tool"
  for file in $(from_manifest file); do
    ! exists "$root$file" || change "remove $root$file" rm -f -- "$root$file"
  done
  change "remove $library/xen-network" rm -f -- "$library/xen-network"
  [ "$hooks_status" -eq 0 ] || die "xen-network is uninstalled but for the hooks named above."
  change "remove $manifest and the directories that install.sh made" remove_traces
  report "xen-network is uninstalled"
}

sweep() {
  printf '%s\n' "$dirs" | while IFS= read -r dir; do rmdir -- "$root${dir#dir }" 2>/dev/null || true; done
}

remove_traces() {
  rm -f -- "${tool%/*}/.xen-network-new" "$library/xen-network.new" "$manifest.new"
  for file in $(from_manifest file); do rm -f -- "$root$file.new"; done
  sweep
  rm -f -- "$manifest"
  sweep
  dir=$root
  while [ "$above" -gt 0 ] && rmdir -- "$dir" 2>/dev/null; do dir=${dir%/*} above=$((above - 1)); done
}

root='' scripts=/etc/xen/scripts given='' action=install_all dry_run='' changes=0 boot=''
while [ $# -gt 0 ]; do
  case $1 in
    --destdir | --scripts-dir)
      [ $# -ge 2 ] || bad_usage "$1 needs a directory"
      if [ "$1" = --destdir ]; then root=$2; else scripts=$2 given=yes; fi
      shift
      ;;
    --boot)
      [ $# -ge 2 ] || bad_usage "$1 needs systemd, openrc, sysv or auto"
      boot=$2
      shift
      ;;
    --boot=*) boot=${1#*=} ;;
    --destdir=*) root=${1#*=} ;;
    --scripts-dir=*) scripts=${1#*=} given=yes ;;
    --uninstall) action=uninstall_all ;;
    --dry-run) dry_run=yes ;;
    --help) usage && exit 0 ;;
    *) bad_usage "unknown argument $1" ;;
  esac
  shift
done
case $root$scripts in *'
'*) bad_usage "a directory's name holds a line break" ;; esac
scripts=$(printf '%s\n' "$scripts" | sed 's,//*,/,g; s,/$,,')
case $scripts/ in
  */../* | */./*) bad_usage "--scripts-dir holds . or .." ;;
  /?*) ;;
  *) bad_usage "--scripts-dir must be an absolute path below /" ;;
esac
if [ -n "$root" ]; then root=$(resolve "$(printf '%s\n' "$root" | sed 's,//*,/,g; s,\(.\)/$,\1,')"); fi
case $boot in
  '' | systemd | openrc | sysv | auto) ;;
  *) bad_usage "--boot is $boot; say systemd, openrc, sysv or auto" ;;
esac
[ "$boot" != auto ] || boot=$(boot_here)
boot_of "$boot"
library=$root/usr/lib/xen-network manifest=$root/usr/lib/xen-network/manifest tool=$root/usr/sbin/xen-network

installed=$(from_manifest scripts)
if [ -n "$installed" ]; then
  if [ -n "$given" ] && [ "$(resolve "$root$scripts")" != "$(resolve "$root$installed")" ]; then
    die "xen-network is installed for $installed, not for $scripts; uninstall it there first."
  fi
  scripts=$installed above=$(from_manifest above)
elif [ "$action" = uninstall_all ]; then
  [ "$dry_run" ] || { rm -f -- "$manifest.new" && rmdir -- "$library"; } 2>/dev/null || true
  printf 'xen-network is not installed in %s\n' "${root:-/}"
  exit 0
else
  above=0 dir=$root
  while [ -n "$dir" ] && [ ! -d "$dir" ]; do dir=${dir%/*} above=$((above + 1)); done
fi
[ "$(uname -s)" = Linux ] || die "xen-network runs on Linux only."
if [ -z "$root$dry_run" ] && [ "$(id -u)" -ne 0 ]; then
  die "only root may change /; run install.sh as root, or with --destdir to install elsewhere."
fi
real_scripts=$(resolve "$root$scripts") real_library=$(resolve "$library") real_sbin=$(resolve "${tool%/*}")
for dir in "$real_scripts" "$real_library" "$real_sbin"; do
  case $dir in "$root"/*) ;; *) die "a link leads out of $root to $dir, so nothing was changed." ;; esac
done
# The program finds diverted scripts by the names that packages have for them, so those are written down.
if [ -z "$root" ] && dpkg-query -S "$real_scripts" >/dev/null 2>&1; then scripts=$real_scripts; fi
if [ -z "$root" ] && dpkg-query -S "$library/xen-network" >/dev/null 2>&1; then
  die "a package has brought $library/xen-network; use that with xen-network hooks enable, or remove it first."
fi
tool_link=$(relative "$real_sbin" "$real_library/xen-network")
[ -n "$dry_run" ] || need_write
"$action"
