import { expect } from 'vitest';
import { Namespace, PLAIN_ENV, type Ran } from '../support/hosts/namespace.ts';
import { waitUntil } from '../support/wait.ts';
import type { Command, Section } from './documents.ts';

/** What is typed, in a shell. */
export interface Typed {
  /** Instead of the command as it stands there: each form of a synopsis, or words that only a test needs. */
  readonly as?: readonly string[];
  /** What of its output depends on what was before. */
  readonly volatile?: RegExp;
  /** What the caller sets. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Root's own shell on a host: hooks and tools are found by their names. */
const PATH = `/etc/xen/scripts:${PLAIN_ENV['PATH']}`;

/** What differs from one run to the next: the other end's number, and MAC addresses that the kernel makes. */
const VOLATILE = /@if\d+|(?<=8000\.)(?!fe)[0-9a-f]{12}| fe80::\S*/g;

/** Some sections of a document, as somebody types them from top to bottom. */
export class Page {
  readonly #sections: readonly Section[];
  readonly #run: Set<string>;

  /**
   * @param sections in their order
   * @param run the commands that were run, as idOf names them
   */
  constructor(sections: readonly Section[], run: Set<string>) {
    this.#sections = sections;
    this.#run = run;
  }

  /**
   * Types a command of these sections, which has to succeed.
   * @param where the host, guest or machine
   * @param text as it stands there
   * @param typed how it is typed
   * @returns what it printed
   * @throws Error when the sections have no such command
   */
  ok(where: Namespace, text: string, typed: Typed = {}): string {
    this.#take(text);
    return (typed.as ?? [text])
      .map((form) => {
        const { status, stdout, stderr } = type(where, form, typed);
        expect({ form, status, said: status === 0 ? '' : stderr }).toEqual({ form, status: 0, said: '' });
        return stdout;
      })
      .join('');
  }

  /**
   * Types a command, which has to print what stands below it: those lines in that order, maybe others between them;
   * "…" stands for anything. Where several sections have the command, each time it is the next one's.
   */
  async shows(where: Namespace, text: string, typed: Typed = {}): Promise<void> {
    const { shown } = this.#take(text);
    const fixed = (line: string) => (typed.volatile === undefined ? line : line.replace(typed.volatile, 'N'));
    const look = () => {
      const { stdout, stderr } = type(where, text, typed);
      return missing(fixed(stdout + stderr), shown.map(fixed));
    };
    let lacking: ReturnType<typeof missing>;
    // Operational states come a little after what causes them.
    await waitUntil(`what "${text}" is to print`, () => {
      lacking = look();
      return lacking === undefined;
    }).catch(() => expect(lacking).toBeUndefined());
  }

  /** The paragraph of these sections that begins so. */
  paragraph(start: string): readonly string[] {
    const all = this.#sections.flatMap(({ paragraphs }) => paragraphs);
    const found = all.find(({ lines }) => lines[0]?.startsWith(start) === true);
    return found?.lines ?? expect.unreachable(`No paragraph begins with ${start}`);
  }

  /** The values of the guests' network cards that these sections configure, in their order. */
  vifs(): Readonly<Record<string, string>>[] {
    const lines = this.#sections.flatMap(({ paragraphs }) => paragraphs.flatMap((each) => each.lines));
    const cards = lines.flatMap((line) => /^vif = \[ '(.*)' \]/.exec(line)?.[1] ?? []);
    return cards.map((card) => Object.fromEntries(card.split(',').map((pair) => pair.trim().split('='))));
  }

  /** The command with this text that was not run yet, or the last one. */
  #take(text: string): Command {
    const all = this.#sections.flatMap((section) =>
      section.commands
        .filter((command) => command.text === text)
        .map((command) => ({ command, id: idOf(section, command) })),
    );
    const found = all.find(({ id }) => !this.#run.has(id)) ?? all.at(-1);
    if (found === undefined) throw new Error(`${this.#sections[0]?.document} has no command "${text}".`);
    this.#run.add(found.id);
    return found.command;
  }
}

function type(where: Namespace, form: string, { env }: Typed): Ran {
  return where.run(['sh', '-c', form], { env: { ...PLAIN_ENV, PATH, ...env } });
}

/** By what a command is known that was run: its own section's where it is shown, any where it is only spoken of. */
export function idOf(section: Section, command: Command): string {
  return command.mentioned ? command.text : `${section.document}, ${section.heading}: ${command.text}`;
}

/** A machine's own namespaces, for commands of who works on the project. */
export const HERE = new Namespace([]);

/**
 * Requires lines in their order, blanks and what differs from run to run apart.
 * @param text what was printed
 * @param lines what is expected of it; "…" stands for anything
 */
export function expectLines(text: string, lines: readonly string[]): void {
  expect(missing(text, lines)).toBeUndefined();
}

/** The first of these lines that a text lacks, beside what it has; undefined where it has all. */
function missing(
  text: string,
  lines: readonly string[],
): { readonly lacks: string; readonly printed: readonly string[] } | undefined {
  const plain = (line: string) => line.replace(VOLATILE, '').replace(/\s+/g, ' ').trim();
  const printed = text.split('\n').map(plain);
  const whole = plain(printed.join(' '));
  let at = 0;
  for (const line of lines.map(plain).filter((each) => each !== '…')) {
    const parts = line.split('…').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    const found = new RegExp(parts.join('.*?')).exec(whole.slice(at));
    if (found === null) return { lacks: line, printed };
    at += found.index + found[0].length;
  }
  return undefined;
}
