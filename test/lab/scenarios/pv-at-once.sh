# Three guests with three devices each, created at once and destroyed at once

make_bridge xenbr0 10.9.0.1/24
pids=()
for number in 1 2 3; do
  vifs=()
  for devid in 0 1 2; do vifs+=("mac=00:16:3e:00:0$number:1$devid,bridge=xenbr0,ip=10.9.$devid.1$number"); done
  guest web$number pv "${vifs[@]}"
  xl create /run/web$number.cfg &
  pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
for number in 1 2 3; do
  await_guest web$number
  for devid in 0 1 2; do
    vif=$(vif web$number $devid)
    is "$(master "$vif")" xenbr0
    is "$(rules_of "$vif" | wc -l)" 3
    has "$(rules_of "$vif")" "-s 10\.9\.$devid\.1$number/32 "
  done
  address web$number 10.9.0.1$number/24
  reaches web$number 10.9.0.1
done
reaches web1 10.9.0.13
for number in 1 2 3; do xl destroy web$number & done
wait
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
