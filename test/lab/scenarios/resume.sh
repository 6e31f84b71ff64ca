# A guest that is suspended and resumed in place

make_bridge xenbr0 10.9.0.1/24
later rm -f /run/web.save
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
start web
address web 10.9.0.11/24
vif=$(vif web)
before=$(rules_of "$vif")
for _ in 1 2; do
  xl save -c web /run/web.save
  is "$(vif web)" "$vif"
  is "$(master "$vif")" xenbr0
  is "$(rules_of "$vif")" "$before"
  soon ping -c 1 -W 2 10.9.0.11
  reaches web 10.9.0.1
done
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
