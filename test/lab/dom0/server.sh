#!/bin/bash
# What systemd runs last at a boot of such a dom0: goes on with the scenario, leaves its verdict, and has the lab's own dom0 start
# again. A scenario that boots once more ends this with the rest of dom0.
# shellcheck source=test/lab/dom0/tools.sh
. /payload/dom0/tools.sh
# shellcheck disable=SC2034 # scenario.sh reads boot
{
  read -r name bound
  read -r boot
} </lab/server
export boot
rm -f "$reason"
if timeout -k 10 "$bound" bash /payload/dom0/scenario.sh "$name"; then
  verdict="lab: ok $name"
else
  [ -s "$reason" ] || echo "boot $boot took more than $bound s" >"$reason"
  verdict="lab: FAILED $name: boot $boot: $(tr '\n' ' ' <"$reason")"
  journalctl -b --no-pager -o short | tail -150
  clean_up
fi
echo "$verdict" >/lab/verdict
mv /lab/init.lab /lab/init
rm /lab/server
cut_power
