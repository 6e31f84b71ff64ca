# A guest whose memory shrinks and grows while cards come and go

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
start web
address web 10.9.0.11/24
vif=$(vif web)
before=$(rules_of "$vif")
touch /run/ballooning
later rm -f /run/ballooning
while [ -e /run/ballooning ]; do
  xl mem-set web 128
  sleep 0.2
  xl mem-set web 160
  sleep 0.2
done &
balloon=$!
for _ in 1 2 3; do
  xl network-attach web mac=00:16:3e:00:00:12 bridge=xenbr0 ip=10.9.0.12
  is "$(backend web hotplug-status 1)" connected
  is "$(rules_of "$(vif web 1)" | wc -l)" 3
  soon in_guest web 'test -e /sys/class/net/eth1'
  xl network-detach web 1
  reaches web 10.9.0.1
done
rm /run/ballooning
wait "$balloon"
is "$(rules_of "$vif")" "$before"
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
