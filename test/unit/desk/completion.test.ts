import { describe, expect, test } from 'vitest';
import { completeHook, type HookTable, type HostNames } from '../../../lib/desk/completion.ts';
import { completeCommand, parseHelpText } from '../../../lib/desk/help-text.ts';
import { helpText, hookTables } from '../../../lib/hook/help.ts';

const NAMES: HostNames = {
  devices: ['eth0', 'eth1'],
  bridges: ['xenbr0'],
  guestDevices: [{ word: 'vif1.0', about: 'web' }],
};
const TABLES = hookTables();

function table(hook: string): HookTable {
  const found = TABLES.get(hook);
  if (found === undefined) throw new Error(`There is no hook ${hook}.`);
  return found;
}

function words(hook: string, before: string, current: string): string[] {
  const typed = before.split(' ').filter((word) => word !== '');
  const others = new Map(
    hook === 'network-multi-bridge'
      ? [...TABLES].filter(([name]) => name !== hook && name.startsWith('network-'))
      : [],
  );
  return completeHook(table(hook), typed, current, NAMES, others).map(({ word }) => word);
}

describe("a hook's words", () => {
  test('are those of its help, and no others', () => {
    for (const hook of TABLES.keys()) {
      const help = helpText(hook);
      const found = words(hook, '', '').filter((word) => word.endsWith('='));
      expect(found.length, hook).toBeGreaterThan(0);
      for (const word of found) expect(help, hook).toContain(`  ${word}`);
    }
  });

  test.each([
    ['network-bridge', '', 'st', ['start', 'stop', 'status', 'stp=']],
    ['network-bridge', 'start', 'st', ['stp=']],
    ['network-bridge', 'start', 'n', ['netdev=', 'notrack=']],
    ['network-bridge', 'start netdev=eth0', 'n', ['notrack=']],
    ['network-bridge', 'start', 'netdev=', ['netdev=eth0', 'netdev=eth1']],
    ['network-bridge', 'start', 'netdev=eth1', ['netdev=eth1']],
    ['network-bridge', 'stop', 'bridge=', ['bridge=xenbr0']],
    ['network-bridge', 'start', 'topology=', ['topology=classic', 'topology=rename', 'topology=plain']],
    ['network-bridge', 'start', 'antispoof=', ['antispoof=yes', 'antispoof=no', 'antispoof=strict']],
    ['network-bridge', 'start', 'confirm=', []],
    ['network-bridge', 'start', 'wibble=', []],
    ['network-bridge', 'start', '--d', ['--dry-run']],
    ['vif-bridge', 'online', 'vif=', ['vif=vif1.0']],
    ['vif-bridge', 'online', 'locking=un', ['locking=unlocked']],
    ['vif-nat', '', 'o', ['online', 'offline']],
    ['network-multi-bridge', 'start', 'network-n', ['network-nat']],
    ['network-multi-bridge', 'start network-nat', 'd', ['dhcp=']],
    ['network-multi-bridge', 'start network-nat dhcp=no network-bridge', 'dhcp', []],
  ])('%s %s %s', (hook, before, current, expected) => {
    const found = words(hook, before, current).map((word) => word.replace(/^vif1\.0$/, 'vif=vif1.0'));
    expect(found).toEqual(expected);
  });
});

describe("the tool's words", () => {
  const help = parseHelpText(`xen-network hooks <word>

put this program there

Commands:
  xen-network status                        show addresses
  xen-network vif [name] [setting] [value]  show what holds

Positionals:
  word  what to do  [required] [choices: "enable", "disable", "status"]
  name  a device  [string]

Options:
      --hooks    print the names of all hooks, one a line  [boolean]
      --help     Show help  [boolean]
      --kind     of network-bridge  [choices: "classic", "plain"] [default: "classic"]
      --root     a tree  [string]
  -n, --dry-run  say what would be done  [boolean] [default: false]
      --shell, --keep  open a shell  [boolean]
`);

  test('are read from its help', () => {
    expect(help.commands).toEqual([
      { word: 'status', about: 'show addresses' },
      { word: 'vif', about: 'show what holds' },
    ]);
    expect(help.options.map(({ word, takesValue }) => [word, takesValue])).toEqual([
      ['--hooks', false],
      ['--help', false],
      ['--kind', true],
      ['--root', true],
      ['--dry-run', false],
      ['--shell', false],
    ]);
  });

  test.each([
    ['', 'e', ['enable']],
    ['', '--r', ['--root']],
    ['--dry-run', '--d', []],
    ['--kind', '', ['classic', 'plain']],
    ['', '--kind=p', ['--kind=plain']],
    ['--root', '', []],
    ['--root /x', '', ['enable', 'disable', 'status']],
    ['enable', '', ['eth9']],
    ['enable eth9', '', []],
  ])('after %j comes of %j', (before, current, expected) => {
    const typed = before.split(' ').filter((word) => word !== '');
    const named = (positional: string) => (positional === 'name' ? [{ word: 'eth9', about: '' }] : []);
    expect(completeCommand(help, typed, current, named).map(({ word }) => word)).toEqual(expected);
  });
});
