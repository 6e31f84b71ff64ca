import type { Service } from '../observe/host/service.ts';
import { type Claim, claimText } from '../record/shared-settings.ts';
import type { FileEdit } from '../wire/dhcp-conf.ts';

/** One command, as data. Whatever runs it prints it too, so a dry run shows what would happen. */
export type Command =
  /** Arguments of iproute2's ip; runs of these go through one `ip -batch -`. */
  | { readonly tool: 'ip'; readonly args: readonly string[] }
  /** Arguments of iproute2's bridge; runs of these go through one `bridge -batch -`. */
  | { readonly tool: 'bridge'; readonly args: readonly string[] }
  /** One line of iptables-restore input for a table; runs of these go through one restore for each family. */
  | { readonly tool: 'iptables' | 'ip6tables'; readonly table: string; readonly line: string }
  /** One line of nft's language; runs of these go through one `nft -f -`, a transaction. */
  | { readonly tool: 'nft'; readonly line: string }
  /** A file below /proc/sys or /sys that is given a value. */
  | { readonly tool: 'write'; readonly path: string; readonly text: string }
  /** A file of our own that is put in place as a whole, or removed when no text is given. */
  | { readonly tool: 'record'; readonly path: string; readonly text: string | undefined }
  /** One line or word of a file that others write as well; the file keeps its owner, its mode and its other bytes. */
  | { readonly tool: 'edit'; readonly path: string; readonly edit: FileEdit }
  /** A server is made to read its files again, or stopped; where it is optional, a refusal is none. */
  | ServiceCommand
  /** All that a user needs from now on of what the host shares: taken, or given back, as host and ledger are by then. */
  | { readonly tool: 'share'; readonly user: string; readonly claims: readonly Claim[] }
  /** What is held for one device is held for another from now on. */
  | {
      readonly tool: 'follow';
      readonly from: string;
      readonly to: string;
      readonly wasBridge: boolean;
      readonly isBridge: boolean;
    }
  /** Any other program. */
  | { readonly tool: 'run'; readonly argv: readonly string[] };

export interface ServiceCommand {
  readonly tool: 'service';
  readonly verb: 'restart' | 'stop';
  readonly service: Service;
  readonly optional: boolean;
  /** It may find nothing left to serve, and end. */
  readonly mayEnd?: boolean;
}

/** The device that a step's undo speaks of, so that an interrupted run never undoes on the wrong one. */
export interface DeviceMark {
  /** What the device is called once the step is done. */
  readonly name: string;
  /** Its index when it was there before the run, 'new' when the run makes it. */
  readonly index: number | 'new';
  /** It may as well be a device that an undo made again. */
  readonly orNew?: boolean;
  /** The step takes it away, and the first command of its undo makes it again; the names that it may then have. */
  readonly gone?: readonly string[];
}

/** A change to the host, what takes it back, and why it is made. */
export interface Step {
  readonly do: Command;
  /** Run in this order; empty when the undo of an earlier step covers it. */
  readonly undo: readonly Command[];
  readonly why: string;
  readonly device?: DeviceMark;
  /** It is as good as done when the kernel says that what it makes exists. */
  readonly mayExist?: boolean;
  /** What the run goes on without where the device refuses it. */
  readonly mayRefuse?: Refusable;
}

/** What a device may refuse, and keep as it is: with the stock scripts that keeps no guest from being connected. */
export type Refusable = 'mtu' | 'address';

export interface Plan {
  readonly steps: readonly Step[];
  /** Full sentences for the log. */
  readonly warnings: readonly string[];
}

/**
 * A command for iproute2.
 * @param args its arguments, one word each
 */
export function ip(...args: string[]): Command {
  return { tool: 'ip', args };
}

/**
 * A value for a kernel setting.
 * @param path an absolute path below /proc/sys or /sys
 * @param text the value
 */
export function setting(path: string, text: string): Command {
  return { tool: 'write', path, text };
}

/**
 * A file of our own below /run/xen-network.
 * @param path an absolute path
 * @param text the whole content; undefined removes the file
 */
export function record(path: string, text: string | undefined): Command {
  return { tool: 'record', path, text };
}

/**
 * The steps by which a user comes to hold what it needs of the whole host, which an undo plans anew.
 * @param user hook and device
 * @param before what it holds so far
 * @param claims what it is to hold
 */
export function shareStep(user: string, before: readonly Claim[], claims: readonly Claim[]): Step {
  return {
    do: { tool: 'share', user, claims },
    undo: [{ tool: 'share', user, claims: before }],
    why: claims.length === 0 ? `let go of what ${user} needed` : `have what ${user} needs`,
  };
}

/**
 * Whether a command lets a user hold rules or the policy of the firewall.
 * @param command any command
 */
export function sharesRules(command: Command): boolean {
  return command.tool === 'share' && command.claims.some(({ kind }) => kind === 'rule' || kind === 'policy');
}

/**
 * A change that stays when the run is undone, or that is no part of one.
 * @param command what is done
 * @param why the reason
 */
export function lastingStep(command: Command, why: string): Step {
  return { do: command, undo: [], why };
}

/**
 * The command as a line that can be typed into a shell; what depends on the host by then is a comment.
 * @param command any command
 */
export function commandText(command: Command): string {
  switch (command.tool) {
    case 'ip':
    case 'bridge':
      return [command.tool, ...command.args].map(shellWord).join(' ');
    case 'iptables':
    case 'ip6tables':
      return restoreLineText(command.tool, command.table, command.line);
    case 'nft':
      return `nft ${shellWord(command.line)}`;
    case 'write':
      return `echo ${shellWord(command.text)} > ${shellWord(command.path)}`;
    case 'record':
      return command.text === undefined
        ? `rm -f ${shellWord(command.path)}`
        : `printf %s ${shellWord(command.text)} > ${shellWord(command.path)}`;
    case 'edit':
      return `sed -i ${shellWord(editScript(command.edit))} ${shellWord(command.path)}`;
    case 'service':
      return serviceText(command.service, command.verb);
    case 'share':
      return `# ${command.user} holds: ${command.claims.map(claimText).join('; ') || 'nothing'}`;
    case 'follow':
      return `# what is held for ${command.from} is held for ${command.to}`;
    case 'run':
      return command.argv.map(shellWord).join(' ');
  }
}

/** The change as a script for sed(1); a list of words is taken to be in double quotes. */
function editScript(edit: FileEdit): string {
  if ('word' in edit) {
    const { variable, word, present } = edit;
    if (present) return `s/^\\(${variable}="[^"]*\\)"/\\1 ${sedText(word)}"/`;
    return `/^${variable}=/s/ *\\<${sedText(word)}\\>//`;
  }
  const { from, to = '', after } = edit;
  if (from === undefined) return after === undefined ? `$a ${to}` : `/^${sedText(after)}$/a ${to}`;
  return edit.to === undefined
    ? `/^${sedText(from)}$/d`
    : `s/^${sedText(from)}$/${to.replace(/[\\/&]/g, '\\$&')}/`;
}

function sedText(text: string): string {
  return text.replace(/[\\/.*[\]^$]/g, '\\$&');
}

function serviceText({ control, pidFiles }: Service, verb: 'restart' | 'stop'): string {
  if (control.kind === 'systemd') return `systemctl ${verb} ${control.unit}`;
  if (control.kind === 'init') return `${control.script} ${verb}`;
  const stop = `kill "$(cat ${shellWord(pidFiles[0] ?? '')})"`;
  return verb === 'stop' ? stop : `${stop}; ${control.argv.map(shellWord).join(' ')}`;
}

/** iptables-restore's ":CHAIN POLICY" has another form on the command line. */
function restoreLineText(tool: string, table: string, line: string): string {
  const policy = /^:(\S+) (ACCEPT|DROP)/.exec(line);
  const rest = policy === null ? line : `-P ${policy[1]} ${policy[2]}`;
  return table === 'filter' ? `${tool} -w ${rest}` : `${tool} -w -t ${table} ${rest}`;
}

function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
