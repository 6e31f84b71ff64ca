import { RequestError } from '../errors.ts';
import { quote } from '../text.ts';

/** The VLANs of a bridge port (docs/contract.md, "VLANs"). */
export interface VlanSet {
  /** The VLAN of frames that come without a tag. */
  readonly pvid: number;
  /** The VLANs whose frames leave the port without a tag; the PVID is always one of them. */
  readonly untagged: ReadonlySet<number>;
  /** All VLANs of the port, in order. */
  readonly ids: readonly number[];
}

/** The VLANs that a bridge port is to get. */
export interface PortVlans {
  /** The text of vlan=. */
  readonly text: string;
  readonly ranges: readonly VlanRange[];
  /** The PVID that the bridge gives to every port that joins it; undefined for none. */
  readonly defaultPvid: number | undefined;
}

interface Term {
  readonly ids: readonly number[];
  readonly flag: string;
}

const LARGEST_ID = 4094;
/** The text would be no longer if it listed every VLAN by itself. */
const LONGEST_TEXT = 4094 * 6;
const HOW =
  'Say terms with "/" between: ID, IDp (untagged, and where untagged frames go), IDu (untagged), A-B, A-Bu or ID+OFFSETxCOUNT, with IDs from 1 to 4094.';

/**
 * Reads xl's vlan= (docs/contract.md, "VLANs"). Exactly one VLAN is the PVID: the one with "p", or a single plain ID.
 * @param value such as "10", "10p/20/30-39" or "1p/100+10x4u"
 * @throws RequestError naming the term that cannot be used
 */
export function parseVlans(value: string): VlanSet {
  if (value.length > LONGEST_TEXT)
    throw new RequestError(
      `vlan is ${quote(value)}, which is ${value.length} characters long, too many. ${HOW}`,
    );
  const terms = value.split('/').map((text) => parseTerm(text, value));
  const [only] = terms;
  const sole = terms.length === 1 && only?.flag === '' && only.ids.length === 1;
  const pvids = sole ? terms : terms.filter(({ flag }) => flag === 'p');
  const pvid = pvids[0]?.ids[0];
  if (pvid === undefined || pvids.length > 1) {
    const found = pvids.length === 0 ? 'none of its terms' : `${pvids.length} terms`;
    throw new RequestError(
      `vlan is ${quote(value)}, where ${found} have a "p": untagged frames need one VLAN. ${HOW}`,
    );
  }
  const ids = terms.flatMap((term) => term.ids);
  const seen = new Set<number>();
  const twice = ids.find((id) => seen.size === seen.add(id).size);
  if (twice !== undefined)
    throw new RequestError(`vlan is ${quote(value)}, which names VLAN ${twice} twice. ${HOW}`);
  const untagged = terms.filter(({ flag }) => flag !== '').flatMap((term) => term.ids);
  return { pvid, untagged: new Set([pvid, ...untagged]), ids: ids.sort((a, b) => a - b) };
}

function parseTerm(text: string, value: string): Term {
  const single = /^(\d{1,4})([pu]?)$/.exec(text);
  const range = /^(\d{1,4})-(\d{1,4})(u?)$/.exec(text);
  const series = /^(\d{1,4})\+(\d{1,4})x(\d{1,4})(u?)$/.exec(text);
  const number = (found: RegExpExecArray, at: number) => Number(found[at]);
  let term: Term | undefined;
  if (single !== null) term = { ids: [number(single, 1)], flag: single[2] ?? '' };
  else if (range !== null && number(range, 1) < number(range, 2))
    term = { ids: spread(number(range, 1), 1, number(range, 2) - number(range, 1)), flag: range[3] ?? '' };
  else if (series !== null && number(series, 2) > 0)
    term = { ids: spread(number(series, 1), number(series, 2), number(series, 3)), flag: series[4] ?? '' };
  if (term?.ids.every((id) => id >= 1 && id <= LARGEST_ID)) return term;
  throw new RequestError(`vlan is ${quote(value)}, whose term ${quote(text)} is none. ${HOW}`);
}

/**
 * The first ID and `more` further ones at the given distance. The list ends at the first ID that is too large, which
 * the caller then refuses.
 */
function spread(first: number, offset: number, more: number): number[] {
  const most = Math.max(0, Math.ceil((LARGEST_ID + 1 - first) / offset));
  return Array.from({ length: Math.min(more, most) + 1 }, (_, i) => first + i * offset);
}

/** Consecutive VLANs with the same treatment. */
export interface VlanRange {
  readonly from: number;
  readonly to: number;
  readonly pvid: boolean;
  readonly untagged: boolean;
}

/**
 * The VLANs whose frames have a tag at the port.
 * @param ranges the port's VLANs
 */
export function taggedRanges(ranges: readonly VlanRange[]): VlanRange[] {
  return ranges.filter(({ untagged }) => !untagged);
}

/**
 * The VLANs of a port as the fewest ranges. The PVID is a range of its own, since the kernel accepts it in no larger
 * one.
 * @param vlans the port's VLANs
 */
export function vlanRanges(vlans: VlanSet): VlanRange[] {
  const ranges: VlanRange[] = [];
  for (const id of vlans.ids) {
    const one = { from: id, to: id, pvid: id === vlans.pvid, untagged: vlans.untagged.has(id) };
    const last = ranges.at(-1);
    const joins =
      last !== undefined && last.to === id - 1 && !last.pvid && !one.pvid && last.untagged === one.untagged;
    if (joins) ranges.splice(-1, 1, { ...last, to: id });
    else ranges.push(one);
  }
  return ranges;
}
