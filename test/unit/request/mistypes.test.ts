import { describe, expect, test } from 'vitest';
import { RequestError } from '../../../lib/errors.ts';
import { parseArguments } from '../../../lib/request/arguments.ts';
import { refuseMistypes } from '../../../lib/request/mistypes.ts';

const VARIABLES = ['netdev', 'bridge', 'vifnum', 'topology', 'antispoof', 'check', 'confirm', 'dhcp'];
const FOREIGN = [...VARIABLES, 'bridgeip', 'brnet'];

function refusal(...argv: string[]): string | undefined {
  try {
    refuseMistypes(argv, { commands: ['start', 'stop', 'status'], variables: VARIABLES, foreign: FOREIGN });
    return undefined;
  } catch (thrown) {
    if (thrown instanceof RequestError) return thrown.message;
    throw thrown;
  }
}

describe('what is mistyped is refused, with the nearest right word', () => {
  test.each([
    ['--dryrun', 'did you mean --dry-run?'],
    ['--dry_run', 'did you mean --dry-run?'],
    ['-dry-run', 'did you mean --dry-run?'],
    ['--Dry-Run', 'did you mean --dry-run?'],
    ['--dry', 'did you mean --dry-run?'],
    ['--dry-run=yes', 'did you mean --dry-run?'],
    ['\u2013dry-run', 'did you mean --dry-run?'],
    ['dry', 'did you mean --dry-run?'],
    ['dryrun', 'did you mean --dry-run?'],
    ['dry-run=1', 'did you mean --dry-run?'],
    ['--jsn', 'did you mean --json?'],
    ['-v', 'it knows --help, --version, --dry-run and --json, and -n for --dry-run.'],
    ['-N', 'it knows --help'],
    ['--', 'it knows --help'],
    ['--force', 'it knows --help'],
    ['--netdev=eth1', 'variables stand without dashes: say netdev=eth1.'],
    ['-netdev=eth1', 'variables stand without dashes: say netdev=eth1.'],
    ['--netdev', 'variables stand without dashes: say netdev=VALUE.'],
    ['netdv=eth1', 'did you mean netdev=eth1?'],
    ['netdve=eth1', 'did you mean netdev=eth1?'],
    ['NETDEV=eth1', 'did you mean netdev=eth1?'],
    ['net-dev=eth1', 'did you mean netdev=eth1?'],
    [' netdev=eth1', 'did you mean netdev=eth1?'],
    ['brigde=b', 'did you mean bridge=b?'],
    ['anti_spoof=yes', 'did you mean antispoof=yes?'],
    ['confirn=60', 'did you mean confirm=60?'],
    ['dhpc=yes', 'did you mean dhcp=yes?'],
    ['netdev', 'such as netdev=VALUE.'],
    ['=eth1', 'such as netdev=VALUE.'],
    ['=', 'such as netdev=VALUE.'],
    ['stat', 'did you mean start?'],
    ['restart', 'did you mean start?'],
    ['eth1', 'say one of start, stop and status.'],
  ])('%j', (word, advice) => {
    for (const argv of [
      ['start', word],
      [word, 'start'],
      ['status', 'netdev=eth0', word],
    ])
      expect(refusal(...argv)).toContain(advice);
    expect(refusal('start', word)).toMatch(/^"|^There/);
    expect(refusal('start', word)).toMatch(/Nothing was changed\.$/);
  });

  test('a variable with blanks about its "="', () => {
    expect(refusal('start', 'netdev', '=', 'eth1')).toContain('"netdev" stands alone');
    expect(refusal('start', 'netdev=', 'eth1')).toContain('say netdev=eth1');
    expect(refusal('start', 'netdev', '=eth1')).toContain('"netdev" stands alone');
  });

  test('two commands that contradict each other', () => {
    expect(refusal('start', 'stop')).toContain('"start" and "stop" contradict each other');
    expect(refusal('netdev=eth0', 'status', '--json', 'start')).toContain('"status" and "start"');
  });
});

describe('what people and wrappers rightly say is not refused', () => {
  test.each([
    [['start']],
    [['start', 'start', 'netdev=eth1', 'netdev=eth2']],
    [['', 'start', '', ' ', 'bridge=']],
    [['-n', 'start', '--json', '--help', '--version', '--dry-run']],
    [['start', 'my_site=1', 'PATH=/tmp', 'x=', '__proto__=1', 'vlanid=5']],
    [['start', 'bridgeip=10.0.0.1/24', 'brnet=10.0.0.0/24']],
    [[]],
  ])('%j', (argv) => {
    expect(refusal(...argv)).toBeUndefined();
  });

  test('-n is --dry-run, and empty words are none', () => {
    const found = parseArguments(['', '-n', 'start', ' ', 'start'], VARIABLES);
    expect(found).toMatchObject({ command: 'start', warnings: [] });
    expect([...found.options]).toEqual(['dry-run']);
  });
});
