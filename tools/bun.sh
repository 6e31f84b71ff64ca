#!/bin/sh
# Runs the Bun that package-lock.json names. Its npm package puts the binary in place by an install
# script, which .npmrc keeps from running, so the binary is taken from where the registry package has it.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
export BUN_RUNTIME_TRANSPILER_CACHE_PATH=0 # keeps nothing in the user's home
for bun in "$root"/node_modules/@oven/bun-linux-*/bin/bun "$root/node_modules/bun/bin/bun.exe"; do
  if [ -x "$bun" ] && "$bun" --version >/dev/null 2>&1; then
    exec "$bun" "$@"
  fi
done
echo "tools/bun.sh: no Bun in node_modules runs on this machine; run 'npm ci' first." >&2
exit 1
