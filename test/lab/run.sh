#!/bin/sh
# Usage: run.sh [--suite SUITE] [OPTION…]
# Runs the lab on a Debian release, one of suites.ts. The options are vitest's; -t PATTERN chooses scenarios.
set -eu
case ${1-} in
  --suite) XEN_NETWORK_SUITE=${2-} && shift 2 ;;
  --suite=*) XEN_NETWORK_SUITE=${1#*=} && shift ;;
esac
[ -z "${XEN_NETWORK_SUITE+set}" ] || export XEN_NETWORK_SUITE
exec vitest run --root . --config test/lab/vitest.config.ts "$@"
