import { HostError, RequestError } from '../../../lib/errors.ts';
import type { Context, Hooks } from '../../../lib/hook/context.ts';
import { bridgesOf } from '../../../lib/hook/network/bridges-of.ts';
import { findScript, runHook, runScript, SCRIPTS } from '../../../lib/hook/scripts.ts';
import { bridgeOwners, xendProcess } from '../../../lib/observe/bridge/owners.ts';
import { readConfigFile } from '../../../lib/observe/host/config-file.ts';
import { quote } from '../../../lib/text.ts';
import { placeText } from '../../../lib/wire/config/place.ts';
import { parseXendConfig, type ScriptLine, type XendConfig } from '../../../lib/wire/config/xend-config.ts';
import { defaultVifScript, USUAL_VIF_SCRIPT, XL_CONF } from '../../../lib/wire/config/xl-conf.ts';

/** What xend did with its network-script at its own start and stop. */
export type BootCommand = 'start' | 'stop' | 'restart';

/** The options of these commands. */
export interface BootOptions {
  /** The path of xend-config.sxp. */
  readonly config: string;
  readonly dryRun: boolean;
}

/** The exit status when the configuration could not be read. */
const COULD_NOT_LOOK = 2;

/**
 * Does what xend did at its start and stop: runs the network-script of xend-config.sxp with start or stop as its first
 * argument. The script is one of our hooks or the administrator's own.
 * @param context the call
 * @param command start, stop or restart
 * @param options the command's options
 * @param hooks our hooks
 * @returns the script's exit status
 * @throws RequestError with status 2 where the configuration cannot be read
 * @throws HostError where another program does this already
 */
export async function boot(
  context: Context,
  command: BootCommand,
  { config, dryRun }: BootOptions,
  hooks: Hooks,
): Promise<number> {
  const found = readXendConfig(context, config);
  if (found === undefined) return COULD_NOT_LOOK;
  const script = found.networkScript;
  const [name = 'network-dummy', ...words] = (script?.words ?? []).filter((word) => word !== '');
  if (script === undefined || name === 'network-dummy') {
    const said =
      script === undefined ? 'has no (network-script …)' : 'names network-dummy, which does nothing';
    context.print(`${config} ${said}, so there is nothing to ${command}.\n`);
    return 0;
  }
  refuseXend(context, command);
  const call = { context, hooks, script: name, words, dryRun, place: placeText(config, script) };
  if (command === 'restart') return (await runWord(call, 'stop')) || startNetwork(call, found.vifScript);
  return command === 'stop' ? runWord(call, 'stop') : startNetwork(call, found.vifScript);
}

/** @returns undefined where there is no file, after a message */
function readXendConfig({ system, log }: Context, path: string): XendConfig | undefined {
  const file = readConfigFile(system, path);
  if ('problem' in file && file.isMissing) {
    log.error(
      `${file.problem} It says what runs at boot. Write these three lines there, or others of their kind:`,
    );
    system.print(LINES, 'err');
    return undefined;
  }
  if ('problem' in file) throw new RequestError(file.problem, { exitCode: COULD_NOT_LOOK });
  const config = parseXendConfig(file.text);
  const grave = config.faults.find(({ isMild }) => isMild !== true);
  if (grave !== undefined)
    throw new RequestError(`${placeText(path, grave)}: ${grave.text} Nothing was run.`, {
      exitCode: COULD_NOT_LOOK,
    });
  for (const fault of config.faults) log.warn(`${placeText(path, fault)}: ${fault.text}`);
  return config;
}

const LINES = `# the words of a hook stand in the quotes, such as 'network-bridge netdev=eth1'
(network-script 'network-bridge')
(vif-script vif-bridge)
`;

/** xend would run the same script at the same moments. */
function refuseXend({ system }: Context, command: BootCommand): void {
  const pid = xendProcess(system);
  if (pid === undefined) return;
  throw new HostError(
    `xend runs on this host (process ${pid}) and starts and stops the network itself. ` +
      `Say "xend ${command}" instead, or remove xend from this host before xen-network starts its network.`,
  );
}

/** A network-script and its arguments. */
interface ScriptCall {
  readonly context: Context;
  readonly hooks: Hooks;
  readonly script: string;
  readonly words: readonly string[];
  readonly dryRun: boolean;
  /** The script's position in the configuration, for messages. */
  readonly place: string;
}

function startNetwork(call: ScriptCall, vifScript: ScriptLine | undefined): Promise<number> {
  const { context, script, words } = call;
  const { system, log } = context;
  for (const { name, index } of bridgesOf(system, script, words)) {
    const owners = bridgeOwners(system, name, index);
    if (owners.length > 0)
      throw new HostError(
        `The bridge ${name} that ${script} is to make belongs to somebody else. ${owners.join(' ')}`,
      );
  }
  const file = readConfigFile(system, XL_CONF);
  const xl = defaultVifScript('text' in file ? file.text : '');
  const [wanted = USUAL_VIF_SCRIPT] = vifScript?.words ?? [];
  if (wanted !== '' && baseName(wanted) !== baseName(xl))
    log.warn(
      `Guests of xl get ${baseName(xl)}, and not the ${baseName(wanted)} of (vif-script …): xl reads ${XL_CONF} alone. ` +
        `Write this line there: vif.default.script="${wanted}"`,
    );
  return runWord(call, 'start');
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

async function runWord(call: ScriptCall, word: 'start' | 'stop'): Promise<number> {
  const { context, hooks, script, words, dryRun, place } = call;
  const { system, print, env } = context;
  const { path, name, isOurs } = findScript(system, hooks, script);
  const argv = [word, ...words];
  const load = isOurs ? hooks[name] : undefined;
  if (load !== undefined && !name.startsWith('network-'))
    throw new RequestError(
      `${place}: ${name} is a hook for guests' cards, and starts no network. Name a network hook.`,
      {
        exitCode: COULD_NOT_LOOK,
      },
    );
  if (load !== undefined) return runHook(context, name, dryRun ? [...argv, '--dry-run'] : argv, load);
  if (dryRun) {
    print(`# ${place} names this script, which is not ours\n${[path, ...argv].join(' ')}\n`);
    return 0;
  }
  const { status, failure } = await runScript(system, [path, ...argv], env);
  if (failure !== undefined)
    throw new HostError(
      `${place}: the script ${quote(path)} cannot be run (${failure}). Name a hook or a file in ${SCRIPTS}, and make it executable.`,
      { exitCode: COULD_NOT_LOOK },
    );
  if (status !== 0) throw new HostError(`${[path, ...argv].join(' ')} ended with status ${status}.`);
  return 0;
}
