// Lists a table of nf_tables by messages to the kernel.

import { NFPROTO } from '../../wire/nf/messages.ts';
import { chainsQuestion, rulesQuestion } from '../../wire/nf/rules-listing.ts';
import {
  countRules,
  elementsQuestion,
  type ListedChain,
  type ListedElement,
  type ListPart,
  readChains,
  readElements,
  type SetType,
} from '../../wire/nf/table-listing.ts';
import type { NetlinkSocket } from './netlink.ts';
import { askedWhole, attempt, lookUpGeneration } from './nf-tables.ts';

/** The types of sets, by the sets' names. */
export type SetTypes = Readonly<Record<string, SetType>>;

/** A table of nf_tables. */
export interface ListedTable {
  readonly chains: readonly ListedChain[];
  /** The number of rules of each chain that has any, by the chain's name. */
  readonly rules: ReadonlyMap<string, number>;
  /** The elements of the sets and maps that were asked for, by their names. */
  readonly elements: ReadonlyMap<string, readonly ListedElement[]>;
}

/**
 * Lists a table, without a child process.
 * @param open opens a socket
 * @param table the table with its family, such as "bridge xen_network"
 * @param sets the types of the sets that are wanted, by the sets' names
 * @returns undefined where there is no such table or one of these sets is missing, and where the kernel cannot tell or the
 * table changes all the time
 */
export function listTable(open: () => NetlinkSocket, table: string, sets: SetTypes): ListedTable | undefined {
  return askedWhole(() => {
    const before = lookUpGeneration(open);
    if (before === undefined) return undefined;
    const found = listOnce(open, table, sets);
    return lookUpGeneration(open) === before ? found : 'torn';
  });
}

function listOnce(open: () => NetlinkSocket, table: string, sets: SetTypes): ListedTable | undefined {
  const [word = '', name = ''] = table.split(' ');
  const family = NFPROTO[word] ?? 0;
  return attempt(open, (socket): ListedTable | undefined => {
    const chains: ListedChain[] = [];
    const rules = new Map<string, number>();
    const elements = new Map<string, readonly ListedElement[]>();
    listWhole(socket, chainsQuestion(family), (part) => readChains(part, name, chains));
    if (chains.length === 0) return undefined;
    listWhole(socket, rulesQuestion(family, name), (part) => countRules(part, name, rules));
    for (const [set, type] of Object.entries(sets)) {
      const own: ListedElement[] = [];
      listWhole(socket, elementsQuestion(family, name, set), (part) => readElements(part, type, own));
      elements.set(set, own);
    }
    return { chains, rules, elements };
  });
}

/** @throws Error where the list is not whole */
function listWhole(socket: NetlinkSocket, question: Uint8Array, read: (part: Uint8Array) => ListPart): void {
  socket.send(question);
  for (let part: ListPart = 'more'; part !== 'last'; ) {
    part = read(socket.receive());
    if (part === 'torn') throw new Error('The list is not whole.');
  }
}
