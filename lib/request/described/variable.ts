/** What --help, the manual pages and completion tell of a variable. No hook loads this to do its work. */
export interface Described {
  readonly name: string;
  /** What may stand behind the "=": words in small letters as they are, what is to be filled in in capitals. */
  readonly values: readonly string[];
  /** A sentence without its full stop, that begins in small letters. */
  readonly means: string;
  /** What holds where the variable is not set; absent where nothing does. */
  readonly unless?: string;
  /** A toolstack sets it, and no person has to; only the manual page tells of it. */
  readonly isSetByToolstack?: true;
}

/** What a hook is for, and which variables it takes. */
export interface HookDescription {
  /** Goes on from "network-bridge:", without a full stop. */
  readonly purpose: string;
  /** The command's words. */
  readonly commands: readonly string[];
  /** What may stand behind those. */
  readonly words: string;
  readonly variables: readonly Described[];
}

/**
 * A variable as one types it: `antispoof=yes|strict`.
 * @param variable its description
 */
export function assignmentForm({ name, values }: Described): string {
  return `${name}=${values.join('|')}`;
}
