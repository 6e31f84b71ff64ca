# A guest that reboots, powers off and crashes by itself, and one that is destroyed while its hook hangs

make_bridge xenbr0 10.9.0.1/24
guest web pv 'mac=00:16:3e:00:00:11,bridge=xenbr0,ip=10.9.0.11,vifname=web0'
start web
for way in reboot crash; do
  before=$(count_starts web)
  case $way in
    reboot) tell web 0 reboot -f ;;
    crash)
      tell web 0 'echo c >/proc/sysrq-trigger'
      soon has_no_rules web0
      xl destroy web || true
      xl create /run/web.cfg
      ;;
  esac
  await_guest web "$before"
  is "$(master web0)" xenbr0
  is "$(rules_of web0 | wc -l)" 3
  address web 10.9.0.11/24
  reaches web 10.9.0.1
done
tell web 0 poweroff -f
soon has_no_rules web0
soon not xl domid web

# A hook that hangs, here in a post hook: xl kills it in the end, and what it did is taken back.
mkdir -p /etc/xen/scripts/vif-post.d
later rm -r /etc/xen/scripts/vif-post.d
# shellcheck disable=SC2016 # for the hook to expand
echo '[ "$command" != online ] || { touch /run/waiting; sleep 600; }' >/etc/xen/scripts/vif-post.d/hang.hook
chmod +x /etc/xen/scripts/vif-post.d/hang.hook
later rm -f /run/waiting
xl create /run/web.cfg &
soon test -e /run/waiting
xl destroy web || true
not wait $!
not xl domid web
has_no_rules web0
