import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** A command that a document shows, and what the document says that it prints. */
export interface Command {
  readonly text: string;
  readonly shown: readonly string[];
  /** Whether it is only spoken of, in a sentence or a table. */
  readonly mentioned: boolean;
}

/** Lines that belong together in a code block. */
export interface Paragraph {
  readonly lines: readonly string[];
  /** Where its first line stands, as FILE:LINE. */
  readonly place: string;
}

/** What a document says under one heading. */
export interface Section {
  /** Its document, from the project's root. */
  readonly document: string;
  readonly heading: string;
  readonly commands: readonly Command[];
  /** The paragraphs of its code blocks. */
  readonly paragraphs: readonly Paragraph[];
  /** Lines of code blocks of which nobody can tell what they are. */
  readonly unknown: readonly string[];
}

/** The programs that documents call. */
const PROGRAM =
  /^(?:[A-Z_]+=\S+ )*(?:network-(?:bridge|nat|route|virtual|multi-bridge)|vif-(?:bridge|nat|route|openvswitch|setup)|xen-network|\.\/install\.sh|dist\/xen-network|npm|npx|git|ip|bridge|brctl|nft|ip6?tables|sysctl|ovs-\w+|ovn-\w+|journalctl|systemctl|rc-update|update-rc\.d|chkconfig|nmcli|virsh|apt-get|dpkg|xl|sh)(?: |$)/;

/** Lines that are no commands: configuration, and the beginnings of what programs print or say. */
const NO_COMMAND = [
  /^vif = \[ .* \]/,
  /^\((?:network|vif)-script\s/,
  /^-A (?:FORWARD|PREROUTING) /,
  /^xend starts, with /,
  /^vif-bridge: vif2\.0 is cut off: /,
  /^Port vif1\.0$/,
];

/** A paragraph that is a file's content: its first line names the file, or its interpreter. */
const FILE = /^(?:#!\/|# (?:\/etc\/|xend-config\.sxp))/;

/** A remark behind a command or a line of a file. */
const REMARK = / +# .*$| {3,}\(.*\)$/;

/** The project's documents for people, without the list of changes. */
function documents(): string[] {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
  return ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', ...docs.sort().map((name) => `docs/${name}`)];
}

/** Every section of every document. */
export function readSections(): Section[] {
  return documents().flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    return sectionsOf(document, text);
  });
}

/**
 * The sections of a text.
 * @param document its name
 * @param text in Markdown, as these documents have it: code is indented by four blanks, or fenced
 */
export function sectionsOf(document: string, text: string): Section[] {
  const sections: { heading: string; code: Paragraph[]; prose: string[] }[] = [];
  let fenced = false;
  let paragraph: string[] | undefined;
  text.split('\n').forEach((line, at, all) => {
    if (line.startsWith('```')) {
      fenced = !fenced;
      paragraph = undefined;
      return;
    }
    const heading = fenced ? undefined : /^#+ (.+)$/.exec(line)?.[1];
    if (heading !== undefined) sections.push({ heading, code: [], prose: [] });
    const section = sections.at(-1);
    const indented = /^ {4}/.test(line) && (paragraph !== undefined || all[at - 1]?.trim() === '');
    if (section === undefined || heading !== undefined) return;
    if (line.trim() === '' || !(fenced || indented)) {
      paragraph = undefined;
      section.prose.push(line);
      return;
    }
    if (paragraph === undefined) {
      paragraph = [];
      section.code.push({ lines: paragraph, place: `${document}:${at + 1}` });
    }
    paragraph.push(fenced ? line : line.slice(4));
  });
  return sections.map(({ heading, code, prose }) => {
    const parts = code.map(readParagraph);
    return {
      document,
      heading,
      commands: [...parts.flatMap(({ commands }) => commands), ...spans(prose.join('\n'))],
      paragraphs: code,
      unknown: parts.flatMap(({ unknown }) => unknown),
    };
  });
}

function readParagraph({ lines, place }: Paragraph): { commands: Command[]; unknown: string[] } {
  const commands: { text: string; shown: string[]; mentioned: boolean }[] = [];
  const unknown: string[] = [];
  const isFile = FILE.test(lines[0] ?? '');
  let isOutput = false;
  for (const line of lines) {
    const byXl = /^# with xl: (.+?)(?: {2,}|$)/.exec(line)?.[1];
    const prompted = isFile || lines[0]?.startsWith('# ') !== true ? undefined : /^# (.+)$/.exec(line)?.[1];
    const plain = isFile || isOutput || !PROGRAM.test(line) ? undefined : line;
    const text = byXl ?? prompted ?? plain;
    if (text !== undefined) commands.push({ text: text.replace(REMARK, ''), shown: [], mentioned: false });
    if (prompted !== undefined) isOutput = true;
    else if (isOutput) commands.at(-1)?.shown.push(line);
    else if (text === undefined && !isFile && NO_COMMAND.some((form) => form.test(line))) isOutput = true;
    else if (text === undefined && !isFile) unknown.push(`${place}: ${line}`);
  }
  return { commands, unknown };
}

/** Commands within text and tables: a program with words behind it. */
function spans(prose: string): Command[] {
  const found = prose.matchAll(/(?<!`)`([^`]+)`(?!`)/g);
  return [...found]
    .map(([, text = '']) => text.replace(/\s*\n\s*/g, ' ').replaceAll('\\|', '|'))
    .filter((text) => PROGRAM.test(text) && /^\S+ [^…]/.test(text))
    .map((text) => ({ text, shown: [], mentioned: true }));
}
