const QUOTED_LENGTH = 60;
/** Controls of C0 and C1, marks that turn the writing's direction or have no width, separators of lines and paragraphs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A text fit for terminals and logs, whatever a tenant put into it: characters that do something instead of showing
 * something are written as \\uXXXX. Tabs and newlines stay.
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
 * A value of unknown origin, fit to stand in a message: control characters escaped, cut to 60 characters, in quotes.
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
 * A sentence about a device: with the device's name before it, unless the sentence names it.
 * @param device the device's name
 * @param sentence one sentence or several
 */
export function about(device: string, sentence: string): string {
  return namesDevice(device, sentence) ? sentence : `${device}: ${sentence}`;
}

/**
 * What is told of a command that failed, or had something to say: the device's name stands in it once.
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
