const QUOTED_LENGTH = 60;
/** Control characters, marks that change the direction of the text or have no width, line and paragraph separators. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Makes any text safe for terminals and logs, since a guest's owner may have written it: invisible and control
 * characters become \\uXXXX. Tabs and newlines stay.
 * @param text any text
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (found) =>
    found === '\t' || found === '\n'
      ? found
      : Array.from({ length: found.length }, (_, i) => `\\u${hex(found.charCodeAt(i))}`).join(''),
  );
}

function hex(code: number): string {
  return code.toString(16).padStart(4, '0');
}

/**
 * Quotes a value of unknown origin for a message: control characters are escaped, and the value is cut to 60
 * characters.
 * @param value any text
 */
export function quote(value: string): string {
  const shown = value.length > QUOTED_LENGTH ? `${value.slice(0, QUOTED_LENGTH)}…` : value;
  return visible(JSON.stringify(shown)).replaceAll('\ufffd', '\\ufffd');
}

/**
 * "a, b and c" for a list in a sentence.
 * @param items the words; an empty list gives "none"
 */
export function listed(items: readonly string[]): string {
  if (items.length === 0) return 'none';
  if (items.length === 1) return items.join();
  return `${items.slice(0, -1).join(', ')} and ${items.slice(-1).join()}`;
}

/**
 * Puts a device's name before a sentence that does not contain it.
 * @param device the device's name
 * @param sentence one sentence or several
 */
export function about(device: string, sentence: string): string {
  return namesDevice(device, sentence) ? sentence : `${device}: ${sentence}`;
}

/**
 * A message about a command for a device: the device's name stands in it once.
 * @param command such as "online"
 * @param device the device's name
 * @param sentence one sentence or several
 */
export function aboutCommand(command: string, device: string, sentence: string): string {
  const rest = sentence.startsWith(`${device}: `) ? sentence.slice(device.length + 2) : sentence;
  return rest.startsWith(`${device} `) ? `${command}: ${rest}` : `${command} ${device}: ${rest}`;
}

function namesDevice(device: string, sentence: string): boolean {
  return sentence.split(/[^\w.+@-]+/).some((word) => word.replace(/\.+$/, '') === device);
}

/**
 * Whether the output may have colours: standard output is a terminal, and the user has not said no (no-color.org).
 * @param isTerminal whether standard output is a terminal
 * @param env the process's environment
 */
export function wantsColour(isTerminal: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
}
