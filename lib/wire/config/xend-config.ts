import { nearest } from '../../request/mistypes.ts';
import { quote } from '../../text.ts';
import type { Fault, Place } from './place.ts';
import { parseSxp, type SxpNode } from './sxp.ts';

/** The path of xend's configuration where no other is given. */
export const XEND_CONFIG = '/etc/xen/xend-config.sxp';

/** A script with its arguments, and its position in the file. */
export interface ScriptLine extends Place {
  /** The script's name first. Split at every single blank, as xend did, so that words may be empty. */
  readonly words: readonly string[];
}

/** The network settings of a configuration of xend. */
export interface XendConfig {
  /** The script that ran at xend's start and stop; undefined where no line names one. */
  readonly networkScript: ScriptLine | undefined;
  /** The script that ran for guests' cards that name none. */
  readonly vifScript: ScriptLine | undefined;
  readonly faults: readonly Fault[];
}

/** xend accepts the line, though it may not do what its author meant. */
const MILD = { isMild: true } as const;
const SCRIPT_NAMES: readonly string[] = ['network-script', 'vif-script'];

/**
 * Reads the network settings of xend-config.sxp as xend did: where a name occurs several times, the first counts.
 * @param text the file's content
 */
export function parseXendConfig(text: string): XendConfig {
  const { nodes, fault } = parseSxp(text);
  const faults = nodes.flatMap(strayFault);
  const networkScript = scriptLine(nodes, 'network-script', faults);
  const vifScript = scriptLine(nodes, 'vif-script', faults);
  if (fault !== undefined) faults.push(fault);
  return { networkScript, vifScript, faults };
}

/** The fault of a line that xend ignores without a message. */
function strayFault(node: SxpNode): Fault[] {
  const place = placeOf(node);
  if (node.kind === 'atom')
    return [
      {
        ...place,
        ...MILD,
        text: `${quote(node.text)} stands outside of parentheses, and xend ignores it.`,
      },
    ];
  const [first] = node.items;
  const name = first?.kind === 'atom' ? first.text : '';
  const meant = SCRIPT_NAMES.includes(name) ? undefined : nearest(name, SCRIPT_NAMES);
  return meant === undefined
    ? []
    : [{ ...place, text: `xend knows no ${quote(name)}; did you mean ${meant}?` }];
}

function scriptLine(nodes: readonly SxpNode[], name: string, faults: Fault[]): ScriptLine | undefined {
  const lines = nodes.flatMap((node) => (node.kind === 'list' && isNamed(node.items, name) ? [node] : []));
  const [first, second] = lines;
  if (first === undefined) return undefined;
  if (second !== undefined)
    faults.push({
      ...placeOf(second),
      ...MILD,
      text: `This is a second (${name} …); xend takes the first, in line ${first.line}.`,
    });
  const [, value, more] = first.items;
  if (value?.kind === 'list') {
    faults.push({
      ...placeOf(value),
      text: `The value of ${name} is in parentheses. Write (${name} '…') with quotes.`,
    });
    return undefined;
  }
  if (more !== undefined) {
    const rest = first.items.slice(1).map((item) => (item.kind === 'atom' ? item.text : '(…)'));
    faults.push({
      ...placeOf(more),
      text: `${name} takes one value, and xend ignores what follows it. Write (${name} '${rest.join(' ')}') with quotes.`,
    });
  }
  if (value === undefined || value.text === '') return undefined;
  const words = value.text.split(' ');
  if (words[0] === '')
    faults.push({
      ...placeOf(value),
      text: `${quote(value.text)} begins with a blank, so the name of the script is empty. Remove the blank.`,
    });
  return { words, ...placeOf(value) };
}

function isNamed([first]: readonly SxpNode[], name: string): boolean {
  return first?.kind === 'atom' && first.text === name;
}

function placeOf({ line, column }: Place): Place {
  return { line, column };
}
