import { XenNetworkError } from '../../errors.ts';
import { RUN_FOLDER } from '../../record/paths.ts';
import type { Family } from '../../request/addresses.ts';
import { CHILD_ENVIRONMENT } from '../processes/exec.ts';
import type { System } from '../system.ts';

const TOOL = /^(ip6?tables)(-save|-restore)?$/;
/** The chosen back ends, kept until the next boot: rules must be removed from the back end to which they were added. */
const CHOICE = `${RUN_FOLDER}/iptables`;
const HELD = /^(-A |:\S+ DROP)/m;

type BackEnd = 'usual' | 'legacy';
/** The back end of IPv4 and that of IPv6. */
type BackEnds = readonly [four: BackEnd, six: BackEnd];

/**
 * The system with iptables and ip6tables in the back ends that this host uses. That is the one behind the commands. It
 * is the legacy one where the legacy tables contain rules or a policy of DROP and the nftables ones contain neither. A
 * family with no rules in either back end gets the back end of the other family.
 * @param system the system
 */
export function withFirewall(system: System): System {
  let known: BackEnds | undefined;
  let unsaved = false;
  const backEnds = (): BackEnds => {
    // /proc lists the tables of the legacy back end, and only after their first use.
    const tables = ['ip', 'ip6'].map((family) => system.readText(`/proc/net/${family}_tables_names`) ?? '');
    if (tables.join('') === '' || isLegacy(system)) return ['usual', 'usual'];
    const kept = /^(usual|legacy) (usual|legacy)$/.exec(system.readText(CHOICE) ?? '');
    if (kept !== null) return [backEndOf(kept[1]), backEndOf(kept[2])];
    unsaved = true;
    return chosen(system);
  };
  const program = (name: string): string => {
    if (!TOOL.test(name)) return name;
    known ??= backEnds();
    return known[name.startsWith('ip6') ? 1 : 0] === 'usual' ? name : named(name, 'legacy');
  };
  const save = (): void => {
    if (!unsaved || known === undefined) return;
    system.replaceFile(CHOICE, known.join(' '));
    unsaved = false;
  };
  return {
    ...system,
    program,
    run([name = '', ...rest], options) {
      let own: string;
      try {
        own = program(name);
      } catch (thrown) {
        // A listing tells it by itself; a change counts as failed, as where iptables could not be started.
        if (!(thrown instanceof XenNetworkError) || options?.isListing === true) throw thrown;
        return { status: 127, stdout: '', stderr: thrown.message.replace(/\.$/, '') };
      }
      if (name.endsWith('-restore')) save();
      return system.run([own, ...rest], options);
    },
    nfTables(family, lines) {
      try {
        if (!usesNft({ ...system, program }, family)) return undefined;
      } catch (thrown) {
        if (!(thrown instanceof XenNetworkError)) throw thrown;
        return { error: thrown.message.replace(/\.$/, '') };
      }
      save();
      return system.nfTables?.(family, lines);
    },
    rulesGeneration() {
      const isAll = ([4, 6] as const).every((family) => usesNft({ ...system, program }, family));
      return isAll ? system.rulesGeneration?.() : undefined;
    },
  };
}

/**
 * Whether iptables-nft adds a family's rules.
 * @param system the system that withFirewall returns
 * @param family 4 or 6
 */
export function usesNft(system: System, family: Family): boolean {
  const restore = family === 4 ? 'iptables-restore' : 'ip6tables-restore';
  return (system.program?.(restore) ?? restore) === restore && isNft(system, restore);
}

function backEndOf(word: string | undefined): BackEnd {
  return word === 'legacy' ? 'legacy' : 'usual';
}

function chosen(system: System): BackEnds {
  const holds = (tool: string, backEnd: 'legacy' | 'nft') =>
    HELD.test(system.run([named(`${tool}-save`, backEnd)], { isListing: true }).stdout);
  const [four, six] = ['iptables', 'ip6tables'].map((tool) => {
    const legacy = holds(tool, 'legacy');
    return holds(tool, 'nft') ? 'usual' : legacy ? 'legacy' : undefined;
  });
  return [four ?? six ?? 'usual', six ?? four ?? 'usual'];
}

/** Whether the command `iptables` leads, through its links, to the legacy one. */
function isLegacy(system: System): boolean {
  const usual = ['/usr/sbin/iptables', '/sbin/iptables'].find((path) => system.exists(path));
  return usual !== undefined && isLinkedTo(system, usual, 'legacy');
}

/** Whether a program is that of iptables-nft; false where this cannot be told. */
function isNft(system: System, name: string): boolean {
  const paths = (CHILD_ENVIRONMENT['PATH'] ?? '').split(':').map((folder) => `${folder}/${name}`);
  const first = paths.find((path) => system.exists(path));
  return first !== undefined && isLinkedTo(system, first, 'tables-nft');
}

/** Whether a path, or one of the links behind it, contains a word. */
function isLinkedTo(system: System, start: string, word: string): boolean {
  let path: string | undefined = start;
  for (let links = 0; path !== undefined && links < 8; links++) {
    if (path.includes(word)) return true;
    const folder = path.slice(0, path.lastIndexOf('/'));
    const target = system.linkTarget(path);
    path = target === undefined || target.startsWith('/') ? target : `${folder}/${target}`;
  }
  return false;
}

function named(tool: string, backEnd: 'legacy' | 'nft'): string {
  return tool.replace('tables', `tables-${backEnd}`);
}
