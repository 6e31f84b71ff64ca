import {
  collisionProbability,
  FORMULA_PREFIX,
  formulaMac,
  parseMac,
  XEN_ADDRESSES,
  XEN_PREFIX,
  xenMac,
} from '../../../lib/desk/mac/mac.ts';
import { type MacUse, macFindings, useText } from '../../../lib/desk/mac/mac-uses.ts';
import { HostError, messageOf, RequestError, XenstoreError } from '../../../lib/errors.ts';
import type { Context } from '../../../lib/hook/context.ts';
import { hostName, readConfigFile } from '../../../lib/observe/host/config-file.ts';
import { configKind, filesBelow, XEN_FOLDER } from '../../../lib/observe/host/config-folder.ts';
import { listDevices } from '../../../lib/observe/host/port.ts';
import { deviceNames, readBackends } from '../../../lib/observe/vif/backends.ts';
import type { System } from '../../../lib/system/system.ts';
import { withXenstore } from '../../../lib/system/xenstore/open.ts';
import { quote } from '../../../lib/text.ts';
import { parseGuestFile, wordOf } from '../../../lib/wire/config/guest-file.ts';
import { isRecord } from '../../../lib/wire/json.ts';
import { table } from '../table.ts';

/** The arguments of "xen-network mac". */
export interface MacOptions {
  /** An IPv4 address for the formula; with check files, folders, and other hosts' --json output. */
  readonly words: readonly string[];
  readonly check: boolean;
  /** The two bytes before the address, such as 02:00. */
  readonly prefix: string | undefined;
  readonly json: boolean;
}

const COULD_NOT_LOOK = 2;
/** The version of the form of --json's output. */
const JSON_VERSION = 1;
const MOST_TRIES = 1000;

/**
 * Prints a MAC address, made from an IPv4 address or a free one with Xen's prefix; or looks for addresses that two
 * cards have.
 * @param context the call
 * @param options the arguments
 * @returns 1 where an address is in use already, or is unsuitable
 * @throws RequestError if a word or a file has a wrong form
 */
export async function mac(context: Context, options: MacOptions): Promise<number> {
  if (options.check) return check(context, options);
  const { words, prefix = FORMULA_PREFIX } = options;
  const [address, ...more] = words;
  if (more.length > 0) throw wrong('Say one IPv4 address, or --check and files.');
  if (address === undefined && options.prefix !== undefined)
    throw wrong('--prefix goes before an IPv4 address; say that as well.');
  const made = address === undefined ? undefined : formulaMac(address, prefix);
  if (address !== undefined && made === undefined) throw wrong(formulaWords(address, prefix));
  const uses = await usesHere(context);
  const given = made ?? freeMac(context.system, uses);
  const taken = uses.find((use) => parseMac(use.mac) === given);
  const { system, print } = context;
  const found = {
    version: JSON_VERSION,
    host: hostName(system),
    mac: given,
    address: address ?? null,
    taken: taken ?? null,
  };
  print(options.json ? `${JSON.stringify(found, null, 2)}\n` : `${given}\n`);
  if (taken !== undefined) context.log.warn(`${given} is in use already, by ${useText(taken)}.`);
  return taken === undefined ? 0 : 1;
}

function wrong(sentence: string): RequestError {
  return new RequestError(sentence, { exitCode: COULD_NOT_LOOK });
}

function formulaWords(address: string, prefix: string): string {
  if (formulaMac(address, FORMULA_PREFIX) === undefined)
    return `${quote(address)} is no IPv4 address, of which four bytes of a MAC address could be made; say one such as 192.0.2.17.`;
  return `--prefix is ${quote(prefix)}; say two bytes whose second digit is 2, 6, A or E, such as ${FORMULA_PREFIX}.`;
}

function freeMac(system: System, uses: readonly MacUse[]): string {
  const taken = new Set(uses.map((use) => parseMac(use.mac)));
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    const bytes = system.readStart('/dev/urandom', 3) ?? '';
    if (bytes.length < 3) break;
    const drawn = xenMac([...bytes].map((byte) => byte.charCodeAt(0)));
    if (!taken.has(drawn)) return drawn;
  }
  throw new HostError(`No free address of ${XEN_PREFIX} was found; /dev/urandom gives nothing new.`, {
    exitCode: COULD_NOT_LOOK,
  });
}

async function check(context: Context, { words, json }: MacOptions): Promise<number> {
  const { system, print } = context;
  const host = hostName(system);
  const uses = [...(await usesHere(context)), ...words.flatMap((word) => usesOf(context, word, host))];
  const once = [...new Map(uses.map((use) => [JSON.stringify(use), use])).values()];
  const findings = macFindings(once);
  const drawn = new Set(
    once.map((use) => parseMac(use.mac)).filter((each) => each?.startsWith(`${XEN_PREFIX}:`)),
  );
  const probability = collisionProbability(drawn.size, XEN_ADDRESSES);
  const collision = { count: drawn.size, size: XEN_ADDRESSES, probability };
  if (json) {
    const addresses = once.map(({ mac, host, guest, isRunning, where, path }) => ({
      mac,
      host,
      guest: guest ?? null,
      running: isRunning,
      where,
      path: path ?? null,
    }));
    const found = { version: JSON_VERSION, host, addresses, findings: findings.map(findingJson), collision };
    print(`${JSON.stringify(found, null, 2)}\n`);
  } else {
    const rows = once.map((use) => [
      use.mac,
      use.guest ?? '-',
      use.isRunning ? 'yes' : 'no',
      use.host,
      use.where,
    ]);
    print(table([['MAC', 'GUEST', 'RUNS', 'HOST', 'WHERE'], ...rows]));
    for (const { text, isMild } of findings) print(`${isMild ? 'warning' : 'error'}: ${text}\n`);
    print(collisionWords(collision));
  }
  return findings.some(({ isMild }) => !isMild) ? 1 : 0;
}

function findingJson({ text, isMild }: { readonly text: string; readonly isMild: boolean }) {
  return { severity: isMild ? 'warning' : 'error', text };
}

function collisionWords({
  count,
  size,
  probability,
}: {
  count: number;
  size: number;
  probability: number;
}): string {
  const percent = Number((probability * 100).toPrecision(2));
  return (
    `Were ${count} addresses drawn at random among the ${size} of ${XEN_PREFIX}, two of them would be alike with a probability of ` +
    `${probability > 0 && percent < 1e-6 ? 'less than 0.000001' : percent} %.\n`
  );
}

/** All uses on this host: its own cards, running guests, and files. */
async function usesHere(context: Context): Promise<MacUse[]> {
  const { system } = context;
  const host = hostName(system);
  const files = filesBelow(system, XEN_FOLDER).flatMap((path) => folderUses(context, path, host));
  return [...cardUses(system, host), ...(await runningUses(context, host)), ...files];
}

/** One use for each address: a card shares its address with bridges and VLANs on it. */
function cardUses(system: System, host: string): MacUse[] {
  const found = new Map<string, MacUse>();
  for (const device of listDevices(system).filter((name) => !/^(lo|vif|tap)/.test(name))) {
    const mac = system.readText(`/sys/class/net/${device}/address`) ?? '';
    if (parseMac(mac) === undefined || /^(00:00:00:00:00:00|fe:ff:ff:ff:ff:ff)$/.test(mac) || found.has(mac))
      continue;
    found.set(mac, { mac, host, guest: undefined, isRunning: true, where: device });
  }
  return [...found.values()];
}

async function runningUses({ system, env, log }: Context, host: string): Promise<MacUse[]> {
  try {
    return await withXenstore(await system.native(), env, async (store) =>
      (await readBackends(store, ['mac'])).flatMap((backend) => {
        const { mac } = backend.values;
        const guest = backend.guest ?? `domain ${backend.domid}`;
        return mac === undefined
          ? []
          : [{ mac, host, guest, isRunning: true, where: deviceNames(backend)[0] }];
      }),
    );
  } catch (thrown) {
    if (!(thrown instanceof XenstoreError)) throw thrown;
    const [reason] = messageOf(thrown).split('. ');
    log.warn(`Running guests are not looked at: ${reason}.`);
    return [];
  }
}

function fileUses(path: string, text: string, host: string): MacUse[] {
  const { name, cards } = parseGuestFile(text);
  return cards.flatMap((card) => {
    const word = wordOf(card, 'mac');
    if (word?.value === undefined) return [];
    const where = `${path}, line ${word.line}, column ${word.column}`;
    return [{ mac: word.value.trim(), host, guest: name ?? path, isRunning: false, where, path }];
  });
}

/** The uses in a guest's file, in a folder of such files, or in what another host printed with --json. */
function usesOf(context: Context, word: string, host: string): MacUse[] {
  const { system, log } = context;
  if (system.kindOf(word) === 'folder')
    return filesBelow(system, word).flatMap((path) => folderUses(context, path, host));
  const file = readConfigFile(system, word);
  if ('problem' in file) throw wrong(file.problem);
  const found = isList(file.text) ? listUses(word, file.text) : fileUses(word, file.text, host);
  if (found.length === 0) log.warn(`${word} names no MAC address.`);
  return found;
}

/** Files in a folder that are no guest's are skipped. */
function folderUses({ system, log }: Context, path: string, host: string): MacUse[] {
  const file = readConfigFile(system, path);
  if ('problem' in file) {
    log.warn(file.problem);
    return [];
  }
  if (isList(file.text)) return listUses(path, file.text);
  return configKind(path, file.text) === 'guest' ? fileUses(path, file.text, host) : [];
}

function isList(text: string): boolean {
  return /^\s*\{/.test(text);
}

function listUses(path: string, text: string): MacUse[] {
  const list = listOf(path, text);
  return list.map((each: unknown) => {
    const use = isRecord(each) ? each : {};
    const { mac, host, guest, running, where } = use;
    if (typeof mac !== 'string' || typeof host !== 'string' || typeof where !== 'string')
      throw wrong(
        `${path} holds an address without mac, host and where; make it with "xen-network mac --check --json".`,
      );
    const from = use['path'];
    return {
      mac,
      host,
      guest: typeof guest === 'string' ? guest : undefined,
      isRunning: running === true,
      where,
      ...(typeof from === 'string' ? { path: from } : {}),
    };
  });
}

function listOf(path: string, text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (isRecord(value) && value['version'] === JSON_VERSION && Array.isArray(value['addresses']))
      return value['addresses'];
  } catch (thrown) {
    throw wrong(`${path} is no JSON: ${messageOf(thrown)}.`);
  }
  throw wrong(`${path} is not what "xen-network mac --check --json" of version ${JSON_VERSION} prints.`);
}
