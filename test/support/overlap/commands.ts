import { xlEnv } from '../hosts/host.ts';
import { PLAIN_ENV } from '../hosts/namespace.ts';
import { guestMac } from '../hosts/strict-host.ts';
import type { Act } from './overlap.ts';

/**
 * What runs when an act is done.
 * @param act the act
 * @returns the program, its words, and its whole environment
 */
export function commandOf(act: Act): {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} {
  const { run: [hook = '', ...words] = [], guest, emulated, card, tap, unplug, shell } = act;
  if (card !== undefined) return { argv: ['sh', '-ec', cardScript(card, act.values ?? {})], env: PLAIN_ENV };
  if (tap !== undefined) return { argv: ['sh', '-ec', tapScript(tap)], env: PLAIN_ENV };
  if (unplug !== undefined) return { argv: ['sh', '-c', unplugScript(unplug)], env: PLAIN_ENV };
  if (shell !== undefined) return { argv: ['sh', '-c', shell], env: PLAIN_ENV };
  const env = guest === undefined ? PLAIN_ENV : { ...PLAIN_ENV, ...envOf(guest, emulated) };
  return { argv: [`/etc/xen/scripts/${hook}`, ...words], env };
}

/** What xl sets when it calls a hook for a guest's card, or for the emulated one. */
export function envOf(guest: number, emulated?: true): Record<string, string> {
  return xlEnv(guest, 0, emulated === true ? { INTERFACE: `vif${guest}.0-emu` } : {});
}

function cardScript(domid: number, values: Readonly<Record<string, string>>): string {
  const [backend, frontend] = [
    `/local/domain/0/backend/vif/${domid}/0`,
    `/local/domain/${domid}/device/vif/0`,
  ];
  const entries = Object.entries({
    mac: guestMac(domid),
    handle: '0',
    'frontend-id': `${domid}`,
    frontend,
    online: '1',
    state: '1',
    script: '/etc/xen/scripts/vif-bridge',
    ...values,
  }).map(([key, value]) => `${backend}/${key} '${value}'`);
  return `
[ -e /run/netns/guest${domid} ] || ip netns add guest${domid}
ip link add vif${domid}.0 address ${guestMac(domid).replace('00:16:3e', '02:00:5e')} type veth peer name eth0 \
  address ${guestMac(domid)} netns guest${domid}
xenstore-write -R ${entries.join(' ')} ${frontend}/backend ${backend}`;
}

const tapScript = (domid: number): string => `
ip tuntap add dev vif${domid}.0-emu mode tap
ip link set dev vif${domid}.0-emu address ${guestMac(domid).replace('00:16:3e', '02:00:5f')}`;

const unplugScript = (domid: number): string => `
[ ! -e /sys/class/net/vif${domid}.0-emu ] || ip link del dev vif${domid}.0-emu
ip -n guest${domid} link del dev eth0
xenstore-rm /local/domain/0/backend/vif/${domid}/0 /local/domain/${domid}/device/vif/0 2>/dev/null`;

/** An act in words. */
export function nameOf({ run, guest, card, tap, unplug, shell }: Act): string {
  if (run !== undefined) return `${run.join(' ')}${guest === undefined ? '' : ` of guest ${guest}`}`;
  if (tap !== undefined) return `guest ${tap} gets an emulated card`;
  return shell ?? `guest ${card ?? unplug} ${card === undefined ? 'goes' : 'comes'}`;
}
