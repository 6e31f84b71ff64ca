#!/bin/bash
# Gives dom0 what it is a server among: eth0, eth1 and lan0 hang on one switch of QEMU's. lan0 is in a namespace of its own,
# the world outside. A second host has its own, on the same cable.
set -e
# shellcheck source=/dev/null
. /payload/settings
modprobe virtio_net
ip link set eth1 up # gives it the queue that it keeps
ip link set eth1 down
ip netns add outside
ip link set eth2 netns outside
ip -n outside link set eth2 name lan0 up
ip -n outside link set lo up
# shellcheck disable=SC2154 # the settings have it
ip -n outside addr add "192.0.2.$number/24" dev lan0
ip -n outside addr add "2001:db8::$number/64" dev lan0 nodad
