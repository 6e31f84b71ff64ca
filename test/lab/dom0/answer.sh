#!/bin/bash
# What the second host of two does for one command of the first (peer in tools.sh), which stands on standard input: runs it, and
# answers with what it prints, its status, and why it failed.
PATH=/etc/xen/scripts:$PATH
# shellcheck source=test/lab/dom0/tools.sh
. /payload/dom0/tools.sh
read -r command
rm -f "$reason"
(
  set -eEuo pipefail
  trap 'fail "$BASH_COMMAND"' ERR
  eval "$command"
) 2>&1
echo "peer: $? $(cat "$reason" 2>/dev/null)"
