import type { KeptBridge, KeptPort } from '../../observe/bridge/kept.ts';
import type { Link } from '../../observe/host/host.ts';
import { type Command, type LostPort, setting } from '../step.ts';
import { vlanCommands } from '../vif/vlan.ts';
import { set } from './parts.ts';

/**
 * The commands that restore the options of a bridge that was made again.
 * @param kept the bridge's state from before
 * @param name its name now
 */
export function optionsAgain(kept: KeptBridge, name: string): Command[] {
  return [...kept.options].map(([file, value]) => setting(`/sys/class/net/${name}/bridge/${file}`, value));
}

/**
 * The commands that restore options, VLANs and forwarding entries of a port that joined its bridge again, or of the
 * bridge itself.
 * @param kept the state of bridge and ports from before
 * @param port the port's name in that state
 * @param name its name now
 */
export function portAgain(kept: KeptBridge, port: string, name: string = port): Command[] {
  const had = kept.ports.get(port);
  if (had === undefined) return [];
  const isBridge = kept.bridge === port;
  const self = isBridge ? ['self'] : [];
  const unwanted = kept.defaultPvid !== 0 && !(had.vlans ?? []).some(holds(kept.defaultPvid));
  const vlans =
    had.vlans === undefined
      ? []
      : vlanCommands(name, {
          text: '',
          ranges: [...had.vlans],
          defaultPvid: unwanted ? kept.defaultPvid : undefined,
        });
  return [
    ...[...had.options].map(([file, value]) => setting(`/sys/class/net/${name}/brport/${file}`, value)),
    ...had.flags.map((flag): Command => ({ tool: 'bridge', args: ['link', 'set', 'dev', name, flag, 'on'] })),
    ...vlans.map((command) =>
      command.tool === 'bridge' ? { ...command, args: [...command.args, ...self] } : command,
    ),
    ...had.entries.map(
      ({ mac, state, vlan, isSticky }): Command => ({
        tool: 'bridge',
        args: [
          ...['fdb', 'replace', mac, 'dev', name, isBridge ? 'self' : 'master', state],
          ...(isSticky ? ['sticky'] : []),
          ...(vlan === undefined ? [] : ['vlan', `${vlan}`]),
        ],
      }),
    ),
  ];
}

/**
 * The ports that lose a bridge that goes.
 * @param kept the state of bridge and ports from before
 * @param ports the ports
 * @param bridge the bridge's name when it goes
 */
export function lostPorts(kept: KeptBridge, ports: readonly Link[], bridge: string): LostPort[] {
  return ports.map(({ name, index, flags }) => ({
    name,
    index,
    up: flags.has('UP'),
    ...guestOf(kept.ports.get(name)),
    join: set(name, 'master', bridge),
    settings: portAgain(kept, name),
  }));
}

function guestOf(port: KeptPort | undefined): Pick<LostPort, 'guest'> {
  return port?.guest === undefined ? {} : { guest: port.guest };
}

function holds(vlan: number): (range: { readonly from: number; readonly to: number }) => boolean {
  return ({ from, to }) => from <= vlan && vlan <= to;
}
