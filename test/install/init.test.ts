import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run, tempDir, writeFile } from './support.ts';

const UNITS = ['xen-network.service', 'xen-network-traffic.service', 'xen-network-traffic.timer'];
const init = join(import.meta.dirname, '../../init');
let dir: string;

beforeEach(() => {
  dir = tempDir();
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('the systemd unit', () => {
  test('is one that systemd understands, and comes between the network and the guests', (context) => {
    const root = join(dir, 'root');
    const units = join(root, 'usr/lib/systemd/system');
    mkdirSync(units, { recursive: true });
    for (const unit of UNITS) run(['cp', join(init, unit), units]);
    writeFile(join(root, 'usr/sbin/xen-network'), '#!/bin/sh\n', 0o755);
    const checked = run([
      'systemd-analyze',
      'verify',
      // The manual is not installed here.
      '--man=no',
      '--recursive-errors=no',
      ...UNITS.map((unit) => join(units, unit)),
    ]);
    context.skip(checked.status === null, 'systemd-analyze is not installed.');
    const said = checked.stderr.split('\n').filter((line) => !line.includes('is not executable'));
    expect(said.join('\n')).toBe('');
    const lines = readFileSync(join(init, 'xen-network.service'), 'utf8').split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'Type=oneshot',
        'RemainAfterExit=yes',
        'ExecStart=/usr/sbin/xen-network start',
        'ExecStop=/usr/sbin/xen-network stop',
        'ExecReload=/usr/sbin/xen-network refilter',
      ]),
    );
    // Upstream's units that the conditions and xenstore depend on, and Debian's.
    for (const unit of ['network-online.target', 'proc-xen.mount', 'xenstored.service', 'xen.service'])
      expect(lines.find((line) => line.startsWith('After='))?.split(/[= ]/)).toContain(unit);
    const traffic = readFileSync(join(init, 'xen-network-traffic.service'), 'utf8');
    expect(traffic).toContain('\nExecStart=/usr/sbin/xen-network traffic --save --textfile /var/lib/');
    expect(lines.find((line) => line.startsWith('Before='))).toMatch(
      /xendomains\.service.*libvirtd\.service/,
    );
  });
});

describe.each(['xen-network.sysv', 'xen-network.openrc'])('%s', (name) => {
  test('calls the tool with what its init system asks for', () => {
    const program = join(dir, 'xen-network');
    writeFile(program, '#!/bin/sh\necho "called with $*"\nexit $STATUS\n', 0o755);
    const text = readFileSync(join(init, name), 'utf8').replaceAll('/usr/sbin/xen-network', `'${program}'`);
    const script = join(dir, 'script');
    // OpenRC sources its scripts and then calls a function of theirs.
    const openrc = 'ebegin() { :; }\neend() { return "$1"; }\n';
    writeFile(script, name.endsWith('openrc') ? `${openrc}${text}\n"$@"\n` : text, 0o755);
    const called = (word: string, status: number) =>
      run(['sh', script, word], { env: { ...process.env, STATUS: `${status}` } });
    for (const [word, words] of [
      ['start', 'start'],
      ['stop', 'stop'],
      ['reload', 'refilter'],
    ] as const) {
      expect(called(word, 0)).toEqual({ status: 0, stdout: `called with ${words}\n`, stderr: '' });
      expect(called(word, 1).status).toBe(1);
    }
  });
});

test('the SysV script names its words, and tells that the program is gone', () => {
  const script = join(init, 'xen-network.sysv');
  const text = readFileSync(script, 'utf8');
  const away = join(dir, 'away');
  writeFile(away, text.replaceAll('/usr/sbin/xen-network', `'${dir}/nothing'`), 0o755);
  expect(run(['sh', away, 'start']).status).toBe(5);
  const there = join(dir, 'there');
  writeFile(there, text.replaceAll('/usr/sbin/xen-network', '/bin/true'), 0o755);
  expect(run(['sh', there, 'what'])).toEqual({
    status: 2,
    stdout: '',
    stderr: 'usage: there {start|stop|restart|reload|force-reload|status}\n',
  });
});
