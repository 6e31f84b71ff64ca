import type { KeptBridge } from '../../observe/bridge/kept.ts';
import { type Command, setting } from '../step.ts';
import { vlanCommands } from '../vif/vlan.ts';

/**
 * Gives a bridge that was made again the options that it had.
 * @param kept what it had
 * @param name what it is called
 */
export function optionsAgain(kept: KeptBridge, name: string): Command[] {
  return [...kept.options].map(([file, value]) => setting(`/sys/class/net/${name}/bridge/${file}`, value));
}

/**
 * Gives a port that has joined its bridge again, or the bridge itself, what it had there.
 * @param kept what bridge and ports had
 * @param port what it was called
 * @param name what it is called by then
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

function holds(vlan: number): (range: { readonly from: number; readonly to: number }) => boolean {
  return ({ from, to }) => from <= vlan && vlan <= to;
}
