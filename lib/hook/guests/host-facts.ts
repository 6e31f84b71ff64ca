import type { BridgeFacts, HostFacts } from '../../desk/check/host-facts.ts';
import { readConfigFile } from '../../observe/host/config-file.ts';
import { type HostState, type Link, observeHost } from '../../observe/host/host.ts';
import { readSharedFile } from '../../observe/shared-settings.ts';
import { bridgeHolder, virtualHolder } from '../../record/shared-settings.ts';
import { type Prefix, parsePrefix } from '../../request/addresses.ts';
import { onceEach } from '../../system/remembering.ts';
import type { System } from '../../system/system.ts';
import { textOf, USUAL_VIF_SCRIPT, XL_CONF } from '../../wire/config/xl-conf.ts';
import { parseXlFile } from '../../wire/config/xl-config.ts';
import { SCRIPTS } from '../scripts.ts';
import { strictBridges } from './strict-table.ts';

/** libxl's bridge where neither the guest's file nor xl.conf names one. */
const USUAL_BRIDGE = 'xenbr0';

/**
 * Reads the facts about the host with which guests' files are compared.
 * @param system the way to the host
 * @throws HostError when ip is missing or its output cannot be read
 */
export function readHostFacts(system: System): HostFacts {
  const state = observeHost(system);
  const file = readConfigFile(system, XL_CONF);
  const { settings } = parseXlFile('text' in file ? file.text : '');
  const strict = new Set(strictBridges(system));
  const addresses = state.links.flatMap((link) =>
    link.addresses.flatMap(({ local, length, scope }) => {
      const network = scope === 'link' ? undefined : parsePrefix(`${local}/${length}`);
      return network === undefined ? [] : [{ device: link.name, address: local, network }];
    }),
  );
  const hops = state.routes.flatMap(({ family, hops }) =>
    hops.map(({ gateway }) => ({ family, address: gateway ?? '' })),
  );
  return {
    devices: state.links.map(({ name }) => name),
    bridges: state.links
      .filter(({ kind }) => kind === 'bridge')
      .map(
        (link): BridgeFacts => ({
          name: link.name,
          networks: networksBy(state, link),
          filtersVlans: system.readText(`/sys/class/net/${link.name}/bridge/vlan_filtering`) === '1',
          antispoof: strict.has(link.name) ? 'strict' : isFiltered(system, link.name) ? 'yes' : 'no',
        }),
      ),
    addresses,
    gateways: hops.filter(({ address }) => address !== ''),
    usualScript: textOf(settings, 'vif.default.script') ?? USUAL_VIF_SCRIPT,
    usualBridge: textOf(settings, 'vif.default.bridge') ?? USUAL_BRIDGE,
    // A thousand guests may have the same script.
    scriptFault: onceEach((script: string) => scriptFault(system, script)),
  };
}

/** Whether a bridge was started with antispoof=yes, so that FORWARD drops packets. */
function isFiltered(system: System, bridge: string): boolean {
  const holders = [bridgeHolder(bridge), virtualHolder(bridge)];
  return readSharedFile(system).some(
    ({ setting, holders: all }) =>
      setting.kind === 'policy' && holders.some((holder) => all.includes(holder)),
  );
}

/** The networks of a bridge. In the classic topology the host's address is on the peer of one of its ports. */
function networksBy({ links }: HostState, bridge: Link): Prefix[] {
  const ports = links.filter(({ master, kind }) => master === bridge.name && kind === 'veth');
  const ends = links.filter(({ name }) => ports.some(({ peer }) => peer === name));
  return [bridge, ...ends].flatMap(({ addresses }) =>
    addresses.flatMap(({ local, length, scope }) =>
      scope === 'link' ? [] : (parsePrefix(`${local}/${length}`) ?? []),
    ),
  );
}

function scriptFault(system: System, script: string): string | undefined {
  const path = script.startsWith('/') ? script : `${SCRIPTS}/${script}`;
  const kind = system.kindOf(path);
  if (kind === undefined) return `is not there (${path})`;
  if (kind !== 'file') return `is no file (${path})`;
  return system.run(['test', '-x', path]).status === 0 ? undefined : `is not executable (chmod 755 ${path})`;
}
