/** One command, as data. Whatever runs it prints it too, so a dry run shows what would happen. */
export type Command =
  /** Arguments of iproute2's ip; runs of these go through one `ip -batch -`. */
  | { readonly tool: 'ip'; readonly args: readonly string[] }
  /** One line of iptables-restore input for a table; runs of these go through one restore for each family. */
  | { readonly tool: 'iptables' | 'ip6tables'; readonly table: string; readonly line: string }
  /** A file below /proc/sys or /sys that is given a value. */
  | { readonly tool: 'write'; readonly path: string; readonly text: string }
  /** A file of our own that is put in place as a whole, or removed when no text is given. */
  | { readonly tool: 'record'; readonly path: string; readonly text: string | undefined }
  /** Any other program. */
  | { readonly tool: 'run'; readonly argv: readonly string[] };

/** The device that a step's undo speaks of, so that an interrupted run never undoes on the wrong one. */
export interface DeviceMark {
  /** What the device is called once the step is done. */
  readonly name: string;
  /** Its index when it was there before the run, 'new' when the run makes it. */
  readonly index: number | 'new';
  /** It may as well be a device that an undo made again. */
  readonly orNew?: boolean;
}

/** A change to the host, what takes it back, and why it is made. */
export interface Step {
  readonly do: Command;
  /** Run in this order; empty when the undo of an earlier step covers it. */
  readonly undo: readonly Command[];
  readonly why: string;
  readonly device?: DeviceMark;
}

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
 * The command as a line that can be typed into a shell.
 * @param command any command
 */
export function commandText(command: Command): string {
  switch (command.tool) {
    case 'ip':
      return ['ip', ...command.args].map(shellWord).join(' ');
    case 'iptables':
    case 'ip6tables':
      return restoreLineText(command.tool, command.table, command.line);
    case 'write':
      return `echo ${shellWord(command.text)} > ${shellWord(command.path)}`;
    case 'record':
      return command.text === undefined
        ? `rm -f ${shellWord(command.path)}`
        : `printf %s ${shellWord(command.text)} > ${shellWord(command.path)}`;
    case 'run':
      return command.argv.map(shellWord).join(' ');
  }
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
