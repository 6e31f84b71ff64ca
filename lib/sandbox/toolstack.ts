import type { Topology } from '../observe/bridge/uplink.ts';
import { families } from '../observe/host/host.ts';
import type { Family } from '../request/addresses.ts';
import type { System } from '../system/system.ts';
import type { Xenstore } from '../system/xenstore/xenstore.ts';
import { runChild } from './child.ts';
import type { Show } from './show.ts';
import { createGuest, DOM0, destroyGuest, type Guest, SCRIPTS, vifOf } from './world.ts';

/** The result of a hook's call. */
export interface Called {
  readonly status: number;
  /** The time that it took, for people. */
  readonly took: string;
  /** Its status and its messages, in one sentence. */
  readonly sentence: string;
}

/** The result of an online, with hotplug-status and hotplug-error for xl. */
export interface Online extends Called {
  readonly told: string | undefined;
  readonly error: string | undefined;
}

/** Everything that the toolstack uses. */
export interface Desk {
  readonly system: System;
  readonly show: Show;
  readonly store: Xenstore;
}

/**
 * The value of network-script in xend's configuration.
 * @param topology classic, which is the default, or another one
 */
export function networkScript(topology: Topology): string {
  return topology === 'classic' ? 'network-bridge' : `network-bridge topology=${topology}`;
}

/**
 * Calls the network script as xend does: the command becomes the first argument (docs/contract.md, "Callers").
 * @param desk where to show the call
 * @param script the value of network-script
 * @param command start or stop, when xend does so
 */
export function callNetworkScript(desk: Desk, script: string, command: 'start' | 'stop'): Called {
  const [name = '', ...words] = script.split(' ');
  return callHook(desk, [name, command, ...words], {});
}

/**
 * Makes a guest as xl does: writes its NIC's entries to xenstore, then calls vif-bridge online (docs/contract.md,
 * "Callers" and "xenstore").
 * @param desk where to show the call, and xenstore
 * @param guest the guest
 * @param bridge the bridge= of its vif
 * @throws HostError when the kernel refuses the guest's devices
 */
export async function xlCreate(desk: Desk, guest: Guest, bridge: string): Promise<Online> {
  const { system, store } = desk;
  createGuest(system, guest);
  await store.writeAll(vifEntries(guest, bridge, families(system)));
  const called = callHook(desk, ['vif-bridge', 'online', 'type_if=vif'], vifEnvironment(guest));
  const backend = backendOf(guest);
  const [told, error] = await store.readMany([`${backend}/hotplug-status`, `${backend}/hotplug-error`]);
  return { ...called, told, error };
}

/**
 * Ends a guest as xl does: calls vif-bridge offline, then removes its devices and entries.
 * @param desk where to show the call, and xenstore
 * @param guest the guest
 * @throws HostError when the kernel refuses
 */
export async function xlDestroy(desk: Desk, guest: Guest): Promise<Called> {
  const { system, store } = desk;
  const called = callHook(desk, ['vif-bridge', 'offline', 'type_if=vif'], vifEnvironment(guest));
  destroyGuest(system, guest);
  await store.remove(backendOf(guest));
  await store.remove(homeOf(guest));
  return called;
}

function callHook(
  { show, system }: Desk,
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Called {
  const needed = ['XENBUS_PATH', 'vif'].filter((key) => key in env).map((key) => `${key}=${env[key]}`);
  show.command(DOM0.name, [...needed, ...words].join(' '));
  const begun = performance.now();
  const { status, stderr } = runChild(system, [`${SCRIPTS}/${words[0]}`, ...words.slice(1)], { env });
  const took = `${Math.round(performance.now() - begun)} ms`;
  const said = stderr.trim() === '' ? 'and said nothing.' : `and said: ${stderr.trim()}`;
  return { status, took, sentence: `"${words.join(' ')}" ended with status ${status} ${said}` };
}

/** All variables that xl sets for a vif script. */
function vifEnvironment(guest: Guest): Record<string, string> {
  return {
    script: `${SCRIPTS}/vif-bridge`,
    XENBUS_TYPE: 'vif',
    XENBUS_PATH: relativeBackendOf(guest),
    XENBUS_BASE_PATH: 'backend',
    netdev: '',
    vif: vifOf(guest),
  };
}

/** The entries that xl writes for a guest's NIC before it calls the script. */
function vifEntries(
  guest: Guest,
  bridge: string,
  both: readonly Family[],
): (readonly [path: string, value: string])[] {
  const backend = backendOf(guest);
  const frontend = `${homeOf(guest)}/device/vif/0`;
  const vif: Readonly<Record<string, string>> = {
    frontend,
    'frontend-id': `${guest.domid}`,
    online: '1',
    state: '2',
    script: `${SCRIPTS}/vif-bridge`,
    mac: guest.mac,
    ip: both.map((family) => guest.addresses[family]).join(' '),
    bridge,
    handle: '0',
    type: 'vif',
    'hotplug-status': '',
    ...(guest.vifname === undefined ? {} : { vifname: guest.vifname }),
  };
  return [
    [`${homeOf(guest)}/name`, guest.name],
    [`${frontend}/backend`, backend],
    [`${frontend}/backend-id`, '0'],
    [`${frontend}/handle`, '0'],
    [`${frontend}/mac`, guest.mac],
    ...Object.entries(vif).map(([key, value]) => [`${backend}/${key}`, value] as const),
  ];
}

function homeOf(guest: Guest): string {
  return `/local/domain/${guest.domid}`;
}

function relativeBackendOf(guest: Guest): string {
  return `backend/vif/${guest.domid}/0`;
}

function backendOf(guest: Guest): string {
  return `/local/domain/0/${relativeBackendOf(guest)}`;
}
