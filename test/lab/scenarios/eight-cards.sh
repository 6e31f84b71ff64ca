# A PV guest with eight cards: each is on its own bridge and reaches what is there, and no other's

eight_bridges
guest web pv "${vifs[@]}"
start web
for number in {0..7}; do
  vif=$(vif web "$number")
  is "$(master "$vif")" "br$number"
  is "$(backend web hotplug-status "$number")" connected
  has "$(rules_of "$vif")" "-s 10\.9\.$number\.11/32 "
done
on_eight_bridges web
# Another card's address is no address of this one.
in_guest web 'ip link set eth3 down; ip addr del 10.9.4.11/24 dev eth4; ip addr add 10.9.3.11/24 dev eth4'
cannot_reach web 10.9.3.1
before=$(count_starts web)
xl reboot web
await_guest web "$before"
for number in {0..7}; do is "$(master "$(vif web "$number")")" "br$number"; done
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
