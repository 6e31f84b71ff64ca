#!/bin/bash
# Usage: scenario.sh NAME
# Runs one scenario. It fails by any command of it that fails, and where it leaves dom0's network changed. Where dom0 has
# started again for it, boot= is the number of that boot, and there is no network of before to compare with.
set -eEuo pipefail
PATH=/etc/xen/scripts:$PATH
# shellcheck source=test/lab/dom0/tools.sh
. /payload/dom0/tools.sh
trap 'fail "$BASH_COMMAND"' ERR
trap clean_up EXIT
[ -v boot ] || untouched=$(host_state)
# shellcheck source=/dev/null
. "/payload/scenarios/$1.sh"
trap - EXIT
clean_up
[ -v boot ] || unchanged_since "$untouched"
