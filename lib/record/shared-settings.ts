import type { Family } from '../request/addresses.ts';

/** A shared setting: it belongs to the whole host, and several started hooks or guests may need it at once. */
export type SharedSetting =
  | {
      readonly kind: 'setting';
      readonly path: string;
      readonly value: string;
    }
  | {
      readonly kind: 'rule';
      readonly family: Family;
      readonly table: string;
      /** In the words of `iptables -S`, without -A. */
      readonly rule: string;
      /** At the top or at the end of its chain. */
      readonly place: 'top' | 'end';
    }
  | { readonly kind: 'policy'; readonly family: Family; readonly value: 'DROP' }
  /** The strict table. */
  | { readonly kind: 'strict' }
  /** The wish that the traffic of guests is counted; the host has nothing that stands for it. */
  | { readonly kind: 'account' }
  /**
   * The table that drops what FORWARD does not see of a bridge's guests: packets that are wrapped, and forged ones to the
   * host, which may route them on.
   */
  | {
      readonly kind: 'wrapped';
      readonly bridge: string;
      /** The card in the bridge; undefined where there is none. */
      readonly card?: string;
      /** Whether the kernel can match the bridge of a frame; otherwise the rules match guests' ports by their names. */
      readonly byBridge: boolean;
      /** In records of a version before, where the kernel had no sets of ranges; nothing depends on it any more. */
      readonly ranges?: false;
    };

/** A shared setting, its holders, and the value from before the first holder. */
export interface HeldSetting {
  readonly setting: SharedSetting;
  /** The value before; for a rule or a table undefined, which means that it was not there. */
  readonly before: string | undefined;
  /** Other settings that the kernel changes together with this one, with their values from before. */
  readonly beside: Readonly<Record<string, string>>;
  /** The holders: hook and device, such as "network-nat eth0", or "vif vif1.0" for a guest's device. */
  readonly holders: readonly string[];
}

export type SharedSettings = readonly HeldSetting[];

/**
 * The key of a shared setting; two with the same key are the same setting.
 * @param setting the shared setting
 */
export function settingKey(setting: SharedSetting): string {
  switch (setting.kind) {
    case 'setting':
      return setting.path;
    case 'rule':
      return `${setting.family} ${setting.table} ${setting.rule}`;
    case 'policy':
      return `${setting.family} policy`;
    case 'strict':
      return 'strict';
    case 'account':
      return 'account';
    case 'wrapped':
      return `wrapped ${setting.bridge}`;
  }
}

/**
 * The holder that stands for a bridge of network-bridge.
 * @param bridge the bridge's name
 */
export function bridgeHolder(bridge: string): string {
  return `network-bridge ${bridge}`;
}

/**
 * The holder that stands for a bridge of network-virtual.
 * @param bridge the bridge's name
 */
export function virtualHolder(bridge: string): string {
  return `network-virtual ${bridge}`;
}

/**
 * The holder that stands for network-nat.
 * @param netdev the outgoing card's name
 */
export function natHolder(netdev: string): string {
  return `network-nat ${netdev}`;
}

/** The beginning of every holder that is a guest's device. */
export const GUEST = 'vif ';

/**
 * The holder that stands for a guest's device.
 * @param device the kernel's name, vif1.0
 */
export function guestHolder(device: string): string {
  return `${GUEST}${device}`;
}

/**
 * The shared settings that one holder holds.
 * @param shared all shared settings
 * @param holder the holder: hook and device
 */
export function settingsOf(shared: SharedSettings, holder: string): SharedSetting[] {
  return shared.flatMap(({ setting, holders }) => (holders.includes(holder) ? [setting] : []));
}

/**
 * A shared setting in words for the administrator.
 * @param setting the shared setting
 */
export function settingText(setting: SharedSetting): string {
  if (setting.kind === 'setting') return `${setting.path} = ${setting.value}`;
  if (setting.kind === 'strict') return 'the table of the strict filter';
  if (setting.kind === 'account') return "the counting of guests' traffic";
  if (setting.kind === 'wrapped')
    return `the table that drops what guests of ${setting.bridge} forge or wrap`;
  const tool = setting.family === 4 ? 'iptables' : 'ip6tables';
  return setting.kind === 'rule'
    ? `the rule "${tool} -t ${setting.table} -A ${setting.rule}"`
    : `FORWARD's policy ${setting.value} (${tool})`;
}
