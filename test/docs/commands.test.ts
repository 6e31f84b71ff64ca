import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Host } from '../support/hosts/host.ts';
import { DESK } from './desk.ts';
import { readSections, type Section, sectionsOf } from './documents.ts';
import { ELSEWHERE } from './elsewhere.ts';
import { FILTERS } from './filters.ts';
import { GUIDE } from './guide.ts';
import { idOf, Page } from './page.ts';
import type { Scenario } from './scenario.ts';
import { START_HERE } from './start-here.ts';

const SCENARIOS = [...START_HERE, ...FILTERS, ...GUIDE, ...DESK];
const sections = readSections();
const run = new Set<string>();
const hosts: Host[] = [];
let played = 0;

afterEach(() => Promise.all(hosts.splice(0).map((host) => host.close())));

function sectionsFor({ document, headings }: Scenario): Section[] {
  return headings.map(
    (heading) =>
      sections.find((section) => section.document === document && section.heading === heading) ??
      expect.unreachable(`${document} has no heading "${heading}".`),
  );
}

describe('what the documents show is so', () => {
  test.each(
    SCENARIOS.map((scenario) => [scenario.document, scenario.headings.join(', '), scenario] as const),
  )('%s: %s', async (_document, _headings, scenario) => {
    played++;
    await scenario.play(new Page(sectionsFor(scenario), run), (made) => {
      hosts.push(made.host);
      return made;
    });
  });
});

test('every command of the documents is run above, or elsewhere, or cannot be run', ({ skip }) => {
  skip(played < SCENARIOS.length, 'run the whole file: what was not played has run no command');
  const all = sections.flatMap((section) => section.commands.map((command) => ({ section, command })));
  const notRun = all.filter(
    ({ section, command }) =>
      ELSEWHERE[command.text] === undefined &&
      !run.has(idOf(section, command)) &&
      !(command.mentioned && [...run].some((id) => id.endsWith(`: ${command.text}`))),
  );
  expect(notRun.map(({ section, command }) => idOf(section, { ...command, mentioned: false }))).toEqual([]);
  expect(sections.flatMap(({ unknown }) => unknown)).toEqual([]);
});

test('what is run elsewhere is run there, and stands in a document', () => {
  const texts = sections.flatMap(({ commands }) => commands.map(({ text }) => text));
  expect(Object.keys(ELSEWHERE).filter((text) => !texts.includes(text))).toEqual([]);
  for (const [text, where] of Object.entries(ELSEWHERE)) {
    if ('because' in where) continue;
    const path = join(import.meta.dirname, '../..', where.in);
    const runsIt = existsSync(path) && readFileSync(path, 'utf8').includes(where.as);
    expect({ text, ...where, runsIt }).toEqual({ text, ...where, runsIt: true });
  }
});

test('commands are told from what they print, from files and from remarks', () => {
  const text = `# Title

    network-bridge start              # a remark
    ethtool -K eth0 tx off

    # xend-config.sxp
    (network-script network-route)
    # with xl: network-route start    and in the guest's configuration

    # ip route; ip rule               (of a host)
    default via 192.0.2.1
    # brctl show
    xenbr0

\`\`\`
npm test
\`\`\`

As \`ip\` and \`nft flush
ruleset\` say.
`;
  const [section] = sectionsOf('x.md', text);
  expect(section?.commands).toEqual([
    { text: 'network-bridge start', shown: [], mentioned: false },
    { text: 'network-route start', shown: [], mentioned: false },
    { text: 'ip route; ip rule', shown: ['default via 192.0.2.1'], mentioned: false },
    { text: 'brctl show', shown: ['xenbr0'], mentioned: false },
    { text: 'npm test', shown: [], mentioned: false },
    { text: 'nft flush ruleset', shown: [], mentioned: true },
  ]);
  expect(section?.unknown).toEqual(['x.md:3: ethtool -K eth0 tx off']);
});
