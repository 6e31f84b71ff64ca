#!/bin/bash
# Usage: build.sh OUT SETTINGS
# Makes the lab's images in OUT, of the release that the file SETTINGS tells of (suites.ts). What is there already is kept, unless the scripts that made it have changed since.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
settings=$(realpath "$2")
exec 9>"$out/lock"
flock 9

# Usage: stage NAME FILE…  Whether NAME was made by just these files; if not, what is left of it counts for nothing.
is_made() {
  local stamp=$out/$1.stamp
  shift
  made_by=$(cat "$@" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$made_by" ] || { rm -f "$stamp" && return 1; }
}

if ! is_made root "$here/root.sh" "$settings"; then
  rm -rf --one-file-system "$out/root"
  "$here/root.sh" "$out/root" "$settings"
  echo "$made_by" >"$out/root.stamp"
fi
if ! is_made disk "$out/root.stamp" "$here"/{disk.sh,*-init}; then
  "$here/disk.sh" "$out/root" "$out" "$settings"
  echo "$made_by" >"$out/disk.stamp"
fi
