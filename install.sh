#!/bin/sh
# Puts xen-network in the place of the Xen network hook scripts, and takes it back.
#
# A stock script in a hook's place is kept in SCRIPTS/.xen-network-stock: hidden, in no PATH, and on the same
# file system, so that it is moved by renaming and stays the very same file. On Debian each hook's name is also
# diverted there: dpkg follows a link that stands in a configuration file's place, so without diversions a
# purge of the scripts' package would delete our program, and its installation would stop at our links.
#
# At every moment a hook's name is either the old script or our link. What is to be done stands in the manifest
# before it is done, so the next run completes, or takes back, an interrupted one.
set -euf
umask 022
unset CDPATH
export LC_ALL=C

usage() {
  cat <<'EOF'
usage: install.sh [options]

  --destdir DIR      install under DIR instead of /, for making a package
  --scripts-dir DIR  where Xen looks for its scripts (default: /etc/xen/scripts)
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
is_same_file() { [ "$(stat -c %d:%i -- "$1")" = "$(stat -c %d:%i -- "$2")" ]; }

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
copy_program() { cp -- "$1" "$2.new" && chmod 755 "$2.new" && mv -fT -- "$2.new" "$2"; }
place_link() { ln -sfn -- "$1" "${2%/*}/.xen-network-new" && mv -fT -- "${2%/*}/.xen-network-new" "$2"; }
keep() { mkdir -p -- "${2%/*}" && { ln -P -- "$1" "$2" 2>/dev/null || mv -nT -- "$1" "$2"; }; }
# The directory has to be there, or dpkg could not unpack a package that brings the script.
divert() { mkdir -p -- "${2%/*}" && dpkg-divert --local --no-rename --divert "$2" --add "$1"; }

from_manifest() { if [ -f "$manifest" ]; then sed -n "s/^$1 //p" "$manifest"; fi; }

# Writes the manifest for the hooks named, one in a line.
save_manifest() {
  text=$(
    printf 'scripts %s\nabove %s\n' "$scripts" "$above"
    printf '%s\n' "$dirs" | grep . | sort -ru
    printf '%s\n' "$1" | grep . | sort -u | sed 's/^/hook /'
  )
  if [ "$text" != "$(cat "$manifest" 2>/dev/null)" ]; then
    change "write $manifest" write_file "$manifest" "$text"
  fi
}

install_hook() {
  path=$root$scripts/$1 stock=$root$scripts/.xen-network-stock/$1
  if [ -d "$path" ] && [ ! -L "$path" ]; then
    die "$path is a directory; move it away and run install.sh again."
  fi
  if [ -n "$dpkg" ] && [ "$(dpkg-divert --truename "$path")" = "$path" ]; then
    change "divert $path to $stock" divert "$path" "$stock"
  fi
  if is_link_to "$path" "$hook_link"; then return 0; fi
  if exists "$path" && ! exists "$stock"; then
    change "keep $path as $stock" keep "$path" "$stock"
  elif exists "$path" && ! is_same_file "$path" "$stock"; then
    foreign=yes
    warn "$path is no longer our link and is left alone; move it away and run install.sh again."
    return 0
  fi
  change "link $path to $hook_link" place_link "$hook_link" "$path"
}

# Makes a hook's name what it was. A hook whose stock script cannot go back is added to `left`.
take_back() {
  path=$root$scripts/$1 stock=$root$scripts/.xen-network-stock/$1 ours=
  if is_link_to "$path" "$hook_link"; then
    ours=yes
  elif exists "$path" && exists "$stock" && ! is_same_file "$path" "$stock"; then
    left="$left$1
"
    warn "$path is not our link and is left alone; move it away and run install.sh --uninstall again," \
      "which puts the stock script back from $stock."
    return 0
  fi
  if [ -n "$dpkg" ] && [ "$(dpkg-divert --truename "$path")" = "$stock" ]; then
    change "end the diversion of $path" dpkg-divert --local --no-rename --remove "$path"
  fi
  if exists "$stock" && exists "$path" && [ -z "$ours" ]; then
    change "remove $stock, which $path is too" rm -f -- "$stock"
  elif exists "$stock"; then
    change "put the stock script $path back" mv -fT -- "$stock" "$path"
  elif [ -n "$ours" ]; then
    change "remove $path" rm -f -- "$path"
  elif exists "$path"; then
    warn "$path is not our link and is left alone."
  fi
}

install_all() {
  here=$(cd -P -- "$(dirname -- "$0")" && pwd -P)
  program=$here/dist/xen-network
  [ -f "$program" ] || program=$here/xen-network
  [ -f "$program" ] || die "there is no $here/dist/xen-network; make it first with npm run build."
  version=$("$program" --version 2>/dev/null) ||
    die "$program does not run on this machine ($(uname -s) $(uname -m)); build it here with npm run build."
  hooks=$("$program" --hooks) || hooks=
  [ "$hooks" ] || die "$program does not name its hooks."
  for hook in $hooks; do
    case $hook in *[!a-z0-9-]*) die "$program names a hook that cannot be one: $hook." ;; esac
  done
  if exists "$tool" && ! is_link_to "$tool" "$tool_link"; then
    die "$tool belongs to something else; move it away and run install.sh again."
  fi

  old_hooks=$(from_manifest hook)
  dirs=$(
    if [ -f "$manifest" ]; then grep '^dir ' "$manifest" || true; fi
    printf 'dir %s\n' "$scripts/.xen-network-stock" /usr/lib/xen-network
    for dir in "$scripts" /usr/lib /usr/sbin; do list_missing "$dir"; done
  )
  make_dir "$library"
  save_manifest "$old_hooks
$hooks"
  make_dir "$root$scripts"
  make_dir "${tool%/*}"
  if ! cmp -s -- "$program" "$library/xen-network"; then
    change "install $library/xen-network" copy_program "$program" "$library/xen-network"
  fi
  left='' foreign='' dropped=''
  for hook in $hooks; do install_hook "$hook"; done
  for hook in $old_hooks; do
    printf '%s\n' "$hooks" | grep -qx -e "$hook" || { dropped=yes && take_back "$hook"; }
  done
  if [ -n "$dropped" ]; then save_manifest "$left$hooks"; fi
  is_link_to "$tool" "$tool_link" || change "link $tool to $tool_link" place_link "$tool_link" "$tool"
  [ -z "$foreign$left" ] || die "$version is installed but for the hooks named above."
  report "$version is installed with its hooks in $root$scripts"
}

uninstall_all() {
  left=
  dirs=$(grep '^dir ' "$manifest" || true)
  for hook in $(from_manifest hook); do take_back "$hook"; done
  ! is_link_to "$tool" "$tool_link" || change "remove $tool" rm -f -- "$tool"
  change "remove $library/xen-network" rm -f -- "$library/xen-network"
  if [ -n "$left" ]; then
    save_manifest "$left"
    die "xen-network is uninstalled but for the hooks named above."
  fi
  change "remove $manifest and the directories that install.sh made" remove_traces
  report "xen-network is uninstalled"
}

sweep() {
  printf '%s\n' "$dirs" | while IFS= read -r dir; do rmdir -- "$root${dir#dir }" 2>/dev/null || true; done
}

remove_traces() {
  rm -f -- "$root$scripts/.xen-network-new" "${tool%/*}/.xen-network-new" "$library/xen-network.new" "$manifest.new"
  sweep
  rm -f -- "$manifest"
  sweep
  dir=$root
  while [ "$above" -gt 0 ] && rmdir -- "$dir" 2>/dev/null; do dir=${dir%/*} above=$((above - 1)); done
}

root='' scripts=/etc/xen/scripts given='' action=install_all dry_run='' changes=0
while [ $# -gt 0 ]; do
  case $1 in
    --destdir | --scripts-dir)
      [ $# -ge 2 ] || bad_usage "$1 needs a directory"
      if [ "$1" = --destdir ]; then root=$2; else scripts=$2 given=yes; fi
      shift
      ;;
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
library=$root/usr/lib/xen-network manifest=$root/usr/lib/xen-network/manifest tool=$root/usr/sbin/xen-network
dpkg=
if [ -z "$root" ] && dpkg-query -W dpkg >/dev/null 2>&1; then dpkg=yes; fi

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
# Diversions need a script's name as its package has it, which knows nothing of the links on the way there.
if [ -n "$dpkg" ] && dpkg-query -S "$real_scripts" >/dev/null 2>&1; then scripts=$real_scripts; fi
hook_link=$(relative "$real_scripts" "$real_library/xen-network")
tool_link=$(relative "$real_sbin" "$real_library/xen-network")
[ -n "$dry_run" ] || need_write
"$action"
