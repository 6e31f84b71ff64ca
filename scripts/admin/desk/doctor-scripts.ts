import type { NamedHook, ScriptFacts } from '../../../lib/desk/doctor/facts.ts';
import type { MapFacts } from '../../../lib/desk/map/map.ts';
import { readStarted } from '../../../lib/hook/network/multi-list.ts';
import { readUdevCalls } from '../../../lib/observe/desk/udev-calls.ts';
import { readConfigFile } from '../../../lib/observe/host/config-file.ts';
import { readSharedFile } from '../../../lib/observe/shared-settings.ts';
import type { System } from '../../../lib/system/system.ts';
import { placeText } from '../../../lib/wire/config/place.ts';
import { parseXendConfig, type ScriptLine, XEND_CONFIG } from '../../../lib/wire/config/xend-config.ts';
import { defaultVifScript, textOf, XL_CONF } from '../../../lib/wire/config/xl-conf.ts';
import { parseXlFile } from '../../../lib/wire/config/xl-config.ts';

/**
 * Reads which scripts a host is configured to run, and which networks are started.
 * @param system the way to the files
 * @param facts the started bridges and networks
 */
export function readScriptFacts(system: System, { bridges, virtuals }: MapFacts): ScriptFacts {
  const xend = readConfigFile(system, XEND_CONFIG);
  const config = 'text' in xend ? parseXendConfig(xend.text) : undefined;
  const file = readConfigFile(system, XL_CONF);
  const xl = 'text' in file ? file.text : '';
  const hooks = textOf(parseXlFile(xl).settings, 'run_hotplug_scripts');
  // network-route has no record of its own.
  const holders = readSharedFile(system).flatMap((held) => held.holders);
  const forwarding = [...new Set(holders)].flatMap((holder) => {
    const [, hook = '', device = ''] = /^(network-(?:nat|route)) (.+)$/.exec(holder) ?? [];
    return hook === '' ? [] : [{ hook, device }];
  });
  return {
    faults: (config?.faults ?? []).map((fault) => `${placeText(XEND_CONFIG, fault)}: ${fault.text}`),
    networkScript: named(config?.networkScript),
    vifScript: named(config?.vifScript),
    xlScript: baseName(defaultVifScript(xl)),
    started: [
      ...bridges.map(({ topology, netdev, bridge }) => ({
        hook: 'network-bridge',
        device: topology === 'classic' ? netdev : bridge,
      })),
      ...virtuals.map(({ bridge }) => ({ hook: 'network-virtual', device: bridge })),
      ...forwarding,
    ],
    isMulti: (readStarted(system) ?? []).length > 0,
    udevCalls: readUdevCalls(system),
    xlRunsHooks: hooks !== '0',
  };
}

function named(line: ScriptLine | undefined): NamedHook | undefined {
  const word = line?.words.find((each) => each !== '');
  if (line === undefined || word === undefined) return undefined;
  return { hook: baseName(word), place: placeText(XEND_CONFIG, line) };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
