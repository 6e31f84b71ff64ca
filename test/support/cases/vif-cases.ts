import { NO_RULES, ownerComment, type RuleSet, vifForwardRules } from '../../../lib/filter/forward.ts';
import type { Port } from '../../../lib/observe/host/port.ts';
import type { VifRecord } from '../../../lib/observe/records.ts';
import type { VifState } from '../../../lib/observe/vif/vif.ts';
import type { Plan } from '../../../lib/plan/step.ts';
import { routerSettingPaths } from '../../../lib/plan/unheard.ts';
import { planJoin, planLeave } from '../../../lib/plan/vif/bridge.ts';
import { parseAddressList } from '../../../lib/request/addresses.ts';
import { parseVifCall, parseVifSettings, type VifCommand } from '../../../lib/request/vif.ts';

/**
 * A device as the kernel has it.
 * @param name what it is called
 * @param more what differs from a fresh vif: down, MTU 1500, on no bridge
 */
export function port(name: string, more: Partial<Port> = {}): Port {
  const fresh = {
    index: 7,
    up: false,
    mtu: 1500,
    address: '02:00:5e:00:01:00',
    master: undefined,
    alias: '',
    backend: undefined,
  };
  return { name, ...fresh, ...more };
}

const OWNER = ownerComment({ device: 'vif1.0', domid: 1 });

export const BRIDGE = port('xenbr0', { index: 3, up: true });

/** What a guest's card is configured with, as far as a plan cares. */
export interface Wanted {
  readonly command?: VifCommand;
  readonly vifname?: string;
  readonly ip?: string;
  readonly mtu?: number;
}

/**
 * The state in which a vif hook finds the device of domain 1.
 * @param found the device, if it is there
 * @param record what an earlier online left
 */
export function state(found: Port | undefined, record?: VifRecord): VifState {
  return { port: found, record, conflicting: undefined };
}

/**
 * The plan for a vif or tap of domain 1 that joins the bridge.
 * @param found the device as it is
 * @param wanted what is configured
 * @param before its rules in place, and the record that says so
 */
export function joinPlan(
  found: Port,
  wanted: Wanted = {},
  before?: { inPlace: RuleSet; record?: VifRecord },
): Plan {
  const command = wanted.command ?? 'online';
  const type = command === 'add' ? 'tap' : 'vif';
  const tap = type === 'tap' ? { INTERFACE: 'vif1.0-emu' } : {};
  const call = parseVifCall(command, {
    vif: 'vif1.0',
    type_if: type,
    XENBUS_PATH: 'backend/vif/1/0',
    ...tap,
  });
  const settings = parseVifSettings(call, {}, { vifname: wanted.vifname });
  const name = settings.rename?.name ?? found.name;
  return planJoin(
    { ...state(found, before?.record), port: found },
    {
      call,
      rename: settings.rename,
      bridge: BRIDGE,
      mtu: wanted.mtu ?? BRIDGE.mtu,
      // An online has switched them off on a port.
      heard: Object.fromEntries(
        routerSettingPaths(found.name).map((path) => [path, found.master === BRIDGE.name ? '0' : '1']),
      ),
      inPlace: before?.inPlace ?? NO_RULES,
      rules: vifForwardRules(name, parseAddressList(wanted.ip ?? ''), [4], OWNER),
      recordPath: `/run/xen-network/vif/${call.device}`,
    },
  );
}

/** The rules of a device with these addresses. */
export function rulesOf(name: string, ip: string): RuleSet {
  return vifForwardRules(name, parseAddressList(ip), [4], OWNER);
}

/** What online leaves for a device with these addresses. */
export function recordOf(name: string, ip: string): VifRecord {
  return { name, bridge: 'xenbr0', rules: rulesOf(name, ip) };
}

const joined = { up: true, master: 'xenbr0', address: 'fe:ff:ff:ff:ff:ff' };
const both = '192.0.2.7 2001:db8::7';
const recordPath = '/run/xen-network/vif/vif1.0';

/** Every form that a vif-bridge plan can take, by name. */
export const CASES: Readonly<Record<string, () => Plan>> = {
  online: () => joinPlan(port('vif1.0')),
  'online-addresses': () => joinPlan(port('vif1.0'), { ip: `${both} 10.0.0.0/8` }),
  'online-vifname': () => joinPlan(port('vif1.0'), { vifname: 'web' }),
  'online-vifname-cut': () => joinPlan(port('vif1.0'), { vifname: 'webserver-number-one', ip: '192.0.2.7' }),
  'online-mtu': () => joinPlan(port('vif1.0', { up: true, mtu: 1400 }), { mtu: 9000 }),
  'online-again': () =>
    joinPlan(
      port('vif1.0', joined),
      { ip: both },
      { inPlace: rulesOf('vif1.0', both), record: recordOf('vif1.0', both) },
    ),
  'online-other-addresses': () =>
    joinPlan(
      port('vif1.0', joined),
      { ip: '192.0.2.8' },
      { inPlace: rulesOf('vif1.0', both), record: recordOf('vif1.0', both) },
    ),
  'online-other-bridge': () =>
    joinPlan(port('web', { ...joined, master: 'br9', alias: 'xenvif' }), { vifname: 'web' }),
  'add-vifname': () =>
    joinPlan(port('vif1.0-emu'), { command: 'add', vifname: 'webserver-one', ip: '192.0.2.7' }),
  offline: () =>
    planLeave(
      state(port('vif1.0', joined), recordOf('vif1.0', both)),
      'vif1.0',
      rulesOf('vif1.0', both),
      recordPath,
    ),
  'offline-gone': () =>
    planLeave(state(undefined, recordOf('web', both)), 'web', rulesOf('web', both), recordPath),
};
