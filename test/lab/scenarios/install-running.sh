# A guest that the package's own script attached is detached by ours, and comes back with our rules

install() { sh /payload/project/install.sh "$@"; }
later install
make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11'
install --uninstall
start web
address web 10.9.0.11/24
reaches web 10.9.0.1
install
starts=$(count_starts web)
xl reboot web
await_guest web "$starts"
has "$(rules_of "$(vif web)")" '-s 10.9.0.11/32 '
address web 10.9.0.11/24
reaches web 10.9.0.1
xl destroy web
is "$(iptables -S FORWARD)" '-P FORWARD ACCEPT'
