import { HostError } from '../../errors.ts';
import { type Move, voidRules } from '../../filter/void-rules.ts';
import { readFirewall } from '../../observe/filter/firewall-rules.ts';
import { readSharedSettings } from '../../observe/shared-settings.ts';
import type { System } from '../../system/system.ts';
import { listed } from '../../text.ts';
import type { FirewallChain } from '../../wire/firewall-rules.ts';

/** What to say about the firewall before addresses move. */
export interface FirewallWords {
  readonly warnings: readonly string[];
  /** Why the move would cut the host off; undefined where it would not. */
  readonly refusal: string | undefined;
}

export const NO_WORDS: FirewallWords = { warnings: [], refusal: undefined };

/** How many rules a message lists; a firewall may have hundreds. */
const NAMED = 6;
/** A part of the comment of every guest's rule. */
const GUESTS = '"xen-network vif';

/**
 * Looks for rules of the administrator that match a device whose addresses move to another one. Where the firewall cannot
 * be listed, nobody knows whether the host would be cut off.
 * @param system the way to the firewall
 * @param move the old and the new device
 * @param force whether to go on even if the host is cut off
 */
export function firewallWords(system: System, move: Move, force: boolean): FirewallWords {
  try {
    return wordsOn(readFirewall(system), system, move, force);
  } catch (thrown) {
    if (!(thrown instanceof HostError)) throw thrown;
    const warnings = [`Whether the firewall still lets the host in and out is not known: ${thrown.message}`];
    if (force) return { warnings, refusal: undefined };
    const refusal =
      `Nothing was changed, since it is not known whether the firewall would cut the host off: ${thrown.message} ` +
      'Or say force=yes.';
    return { warnings, refusal };
  }
}

function wordsOn(
  chains: readonly FirewallChain[],
  system: System,
  move: Move,
  force: boolean,
): FirewallWords {
  const { rules, closing, silencing } = voidRules(chains, move);
  const own = readSharedSettings(system).flatMap(({ setting }) =>
    setting.kind === 'rule'
      ? [`ip${setting.family === 4 ? '' : '6'} ${setting.table} ${setting.rule.replace(/^\S+/, '$&:')}`]
      : [],
  );
  // Guests' rules are corrected after the move.
  const isOurs = (rule: string) => own.includes(rule) || rule.includes(GUESTS);
  const others = rules.filter((rule) => !isOurs(rule));
  const shut = [...closing, ...silencing].filter((rule) => !isOurs(rule));
  const isClosed = closing.some((rule) => !isOurs(rule));
  if (others.length === 0) return NO_WORDS;
  const device = move.present === undefined ? `the new device ${move.to}` : `the card ${move.to}`;
  const after =
    move.from === move.to
      ? `${device}, which has another index, gets the addresses`
      : `${move.to} gets the addresses`;
  const said =
    `The firewall has rules that match ${move.from} and no longer apply to the host once ${after}: ` +
    `${shown(others)}.`;
  // Stop has no check=.
  const portFilter =
    move.present === undefined
      ? 'check=ADDRESS to have the start undone when that address does not answer, or '
      : '';
  const advice = `Let them match ${move.to} by iifname or oifname (-i or -o)`;
  if (shut.length === 0 || force) return { warnings: [`${said} ${advice}.`], refusal: undefined };
  return {
    warnings: [
      `${said} ${advice}. Without ${shown(shut)} the host ${isClosed ? 'lets nobody in' : 'answers nobody'}.`,
    ],
    refusal:
      `Nothing was changed, since the firewall would drop what ${isClosed ? 'comes in' : 'goes out'}: ` +
      `it lets packets ${isClosed ? 'in' : 'out'} by ${shown(shut)}, which ` +
      `matches ${move.from} and no longer applies once ${after}. ${advice} first, or say ${portFilter}force=yes.`,
  };
}

function shown(rules: readonly string[]): string {
  const quoted = rules.map((rule) => `"${rule}"`);
  const rest = quoted.length - NAMED;
  return listed(rest > 0 ? [...quoted.slice(0, NAMED), `${rest} more`] : quoted);
}
