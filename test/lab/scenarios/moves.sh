# A PV guest that is saved and restored, and a PVH guest that migrates, live, to the same host; held by the release's strongest filter

later network-bridge stop
network-bridge start antispoof="$antispoof"
later rm -f /run/web.save
held() {
  is "$(master "$(vif web)")" xenbr0
  is "$(backend web hotplug-status)" connected
  reaches web 192.0.2.1
  outside ping -c 2 192.0.2.11
  address web 192.0.2.99/24
  cannot_reach web 192.0.2.1
  address web 192.0.2.11/24
}
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
held
old=$(vif web)
xl save web /run/web.save
fails test -e "/sys/class/net/$old"
xl restore /run/web.save
held
xl destroy web

ln -sf guest-web.log "$consoles/guest-web--incoming.log" # xl's name for it on its way
guest web pvh 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
old=$(vif web)
xl migrate -s '' web 'xl migrate-receive'
[ "$(vif web)" != "$old" ]
fails test -e "/sys/class/net/$old"
held
xl pause web
xl unpause web
reaches web 192.0.2.1
xl rename web www
xl destroy www
is "$(xen-network vif | wc -l)" 1
