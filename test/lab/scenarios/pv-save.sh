# A guest that is saved and restored, and one that moves to a new domain by a live migration to the same host

later network-bridge stop
network-bridge start antispoof=strict
later rm -f /run/web.save
ln -sf guest-web.log $consoles/guest-web--incoming.log # a migrated guest's console
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=192.0.2.11'
start web
address web 192.0.2.11/24
reaches web 192.0.2.1

spoofs_in_vain() {
  is "$(master "$(vif web)")" xenbr0
  is "$(backend web hotplug-status)" connected
  reaches web 192.0.2.1
  outside ping -c 2 192.0.2.11
  address web 192.0.2.99/24
  cannot_reach web 192.0.2.1
  address web 192.0.2.11/24
}
old=$(vif web)
xl save web /run/web.save
fails test -e "/sys/class/net/$old"
xl restore /run/web.save
spoofs_in_vain

old=$(vif web)
xl migrate -s '' web 'xl migrate-receive'
[ "$(vif web)" != "$old" ]
fails test -e "/sys/class/net/$old"
spoofs_in_vain
xl pause web
xl unpause web
reaches web 192.0.2.1
xl rename web www
xl destroy www
is "$(xen-network vif | wc -l)" 1
