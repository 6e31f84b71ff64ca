import type { Service } from '../observe/host/service.ts';
import { type SharedSetting, settingText } from '../record/shared-settings.ts';
import type { FileEdit } from '../wire/dhcp-conf.ts';

/** One command, as data. It is printed from the same data as it is run, so a dry run shows what would happen. */
export type Command =
  /** Arguments of iproute2's ip; consecutive ones go into one `ip -batch -`. */
  | { readonly tool: 'ip'; readonly args: readonly string[] }
  /** Arguments of iproute2's bridge; consecutive ones go into one `bridge -batch -`. */
  | { readonly tool: 'bridge'; readonly args: readonly string[] }
  /** One line of iptables-restore for a table; consecutive ones go into one restore for each family. */
  | { readonly tool: 'iptables' | 'ip6tables'; readonly table: string; readonly line: string }
  /** One line of nft's language; consecutive ones go into one `nft -f -`, a transaction. */
  | { readonly tool: 'nft'; readonly line: string }
  /** A value for a file below /proc/sys or /sys. */
  | { readonly tool: 'write'; readonly path: string; readonly text: string }
  /** The whole content of a file of ours; undefined removes the file. */
  | { readonly tool: 'record'; readonly path: string; readonly text: string | undefined }
  /** A change of one line or word in a file that others write too; owner, mode and other bytes stay. */
  | { readonly tool: 'edit'; readonly path: string; readonly edit: FileEdit }
  /** The restart or stop of a server; where it is optional, a refusal is no failure. */
  | ServiceCommand
  /**
   * All shared settings that a holder needs from now on. What has to be made or put back is decided when the command
   * runs.
   */
  | { readonly tool: 'share'; readonly holder: string; readonly sharedSettings: readonly SharedSetting[] }
  /** Moves all that is held for one device to another device. */
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
  /** The server may find nothing to serve after a restart, and end. */
  readonly mayEnd?: boolean;
}

/** The device in a step's undo. It prevents the undo of an interrupted run from changing another device. */
export interface DeviceMark {
  /** The device's name after the step. */
  readonly name: string;
  /** The device's index from before the run; 'new' when the run makes the device. */
  readonly index: number | 'new';
  /** The device may also be one that an undo made again. */
  readonly orNew?: boolean;
  /**
   * The step removes the device, and the first command of its undo makes it again; these are the names that it may then
   * have.
   */
  readonly gone?: readonly string[];
}

/** A change to the host, its undo and its reason. */
export interface Step {
  readonly do: Command;
  /** Run in this order; empty when the undo of an earlier step covers this one. */
  readonly undo: readonly Command[];
  readonly why: string;
  readonly device?: DeviceMark;
  /** The step counts as done when the kernel answers that the thing exists. */
  readonly mayExist?: boolean;
  /** The setting that the device may refuse; the run then goes on. */
  readonly mayRefuse?: Refusable;
  /** The ports that lose their bridge by the step. */
  readonly ports?: readonly LostPort[];
}

/**
 * A port that loses its bridge by a step. Its guest's hook, or the administrator, may take it away until the step is undone:
 * the undo is for a port that still is as the step left it.
 */
export interface LostPort {
  readonly name: string;
  readonly index: number;
  readonly up: boolean;
  /** The kernel's name of the guest's device that it is, where a hook attached it: vif1.0. */
  readonly guest?: string;
  /** Puts it on the bridge again. */
  readonly join: Command;
  /** Gives it back what it was told there; run once all ports have joined, since a port may be another's backup. */
  readonly settings: readonly Command[];
}

/**
 * A setting that a device may refuse and keep as it was: as with the stock scripts the guest is connected all the same.
 */
export type Refusable = 'mtu' | 'address';

export interface Plan {
  readonly steps: readonly Step[];
  /** Full sentences for the log. */
  readonly warnings: readonly string[];
}

/**
 * A command of `ip`.
 * @param args its arguments, one word each
 */
export function ip(...args: string[]): Command {
  return { tool: 'ip', args };
}

/**
 * A command that sets a kernel setting.
 * @param path an absolute path below /proc/sys or /sys
 * @param text the value
 */
export function setting(path: string, text: string): Command {
  return { tool: 'write', path, text };
}

/**
 * A command that writes a record below /run/xen-network.
 * @param path an absolute path
 * @param text the whole content; undefined removes the file
 */
export function record(path: string, text: string | undefined): Command {
  return { tool: 'record', path, text };
}

/**
 * The step after which a holder holds exactly the given shared settings. Its undo is decided when it runs.
 * @param holder the holder: hook and device
 * @param before the settings that it holds so far
 * @param sharedSettings the settings that it needs from now on
 */
export function shareStep(
  holder: string,
  before: readonly SharedSetting[],
  sharedSettings: readonly SharedSetting[],
): Step {
  return {
    do: { tool: 'share', holder, sharedSettings },
    undo: [{ tool: 'share', holder, sharedSettings: before }],
    why: sharedSettings.length === 0 ? `release what ${holder} needed` : `set what ${holder} needs`,
  };
}

/**
 * Whether a command adds shared rules or sets the policy of the firewall.
 * @param command any command
 */
export function sharesRules(command: Command): boolean {
  return (
    command.tool === 'share' &&
    command.sharedSettings.some(({ kind }) => kind === 'rule' || kind === 'policy')
  );
}

/**
 * A step that stays when the run is undone, or that is not part of a run.
 * @param command the command
 * @param why the reason
 */
export function lastingStep(command: Command, why: string): Step {
  return { do: command, undo: [], why };
}

/**
 * The command as a line for a shell. A command that is decided when it runs becomes a comment.
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
      return `# ${command.holder} holds: ${command.sharedSettings.map(settingText).join('; ') || 'nothing'}`;
    case 'follow':
      return `# what is held for ${command.from} is held for ${command.to}`;
    case 'run':
      return command.argv.map(shellWord).join(' ');
  }
}

/** The change as a script for sed(1); it assumes that a list of words is in double quotes. */
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

/** ":CHAIN POLICY" of iptables-restore is -P on the command line. */
function restoreLineText(tool: string, table: string, line: string): string {
  const policy = /^:(\S+) (ACCEPT|DROP)/.exec(line);
  const rest = policy === null ? line : `-P ${policy[1]} ${policy[2]}`;
  return table === 'filter' ? `${tool} -w ${rest}` : `${tool} -w -t ${table} ${rest}`;
}

function shellWord(word: string): string {
  return /^[A-Za-z0-9_./:@%+,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
