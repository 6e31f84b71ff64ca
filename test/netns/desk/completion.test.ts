import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NetHost } from '../../support/hosts/net-host.ts';

let net: NetHost;

beforeEach(async () => {
  net = await NetHost.create();
  net.host.ok('mkdir', '/run/bin');
  net.host.ok('sh', '-c', 'ln -s "$(readlink -f /etc/xen/scripts/xen-network)" /run/bin/xen-network');
});

afterEach(() => net.host.close());

function complete(...typed: string[]): string[] {
  const { status, stdout, stderr } = net.host.hook('xen-network', ['complete', ...typed]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.split('\n').flatMap((line) => line.split('\t')[0] || []);
}

describe('xen-network complete', () => {
  test('knows its commands and the hooks, as --help tells them', () => {
    const words = complete('xen-network', '');
    const help = net.host.hook('xen-network', ['--help']).stdout;
    const told = [...help.matchAll(/^ {2}xen-network (\S+)/gm)].map(([, word]) => word);
    expect(told.length).toBeGreaterThan(10);
    expect(words.slice(0, told.length)).toEqual(told);
    expect(words.slice(told.length)).toEqual(
      net.host.hook('xen-network', ['--hooks']).stdout.trim().split('\n'),
    );
    expect(complete('xen-network', 'hooks', '')).toEqual(['enable', 'disable', 'status']);
    expect(complete('xen-network', 'start', '--')).toEqual(['--hooks', '--help', '--config', '--dry-run']);
    expect(complete('xen-network', 'sandbox', '--topology', 'c')).toEqual(['classic']);
    expect(complete('xen-network', 'check', '')).toEqual([]);
    expect(complete('xen-network', 'wibble', '')).toEqual([]);
  });

  test('knows devices, bridges and guests of this host', () => {
    net.ok('network-bridge', 'start');
    net.store.vif(3, 0);
    net.store.write({ '/local/domain/3/name': 'web' });
    expect(complete('network-bridge', 'start', 'netdev=')).toContain('netdev=eth0');
    expect(complete('xen-network', 'network-bridge', 'stop', 'bridge=')).toEqual(['bridge=xenbr0']);
    expect(complete('xen-network', 'vif', '')).toEqual(['vif3.0']);
    expect(complete('xen-network', 'vif', 'vif3.0', 'l')).toEqual(['locked', 'log']);
    expect(complete('xen-network', 'reattach', '')).toEqual(['web']);
    expect(complete('xen-network', 'traffic', '')).toEqual(['web']);
    expect(complete('xen-network', 'doctor', '')).toEqual(['web']);
    expect(complete('xen-network', 'doctor', 'web', '--w')).toEqual(['--watch']);
  });
});

describe('xen-network completion', () => {
  const env = { PATH: '/run/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8', HOME: '/run' };
  const run = (...argv: string[]) => net.host.run(argv, { env });

  test('bash completes words, and values behind "="', () => {
    const script = `
eval "$(xen-network completion bash)"
try() { COMP_LINE=$1 COMP_POINT=\${#1}; _xen_network; printf '%s\\n' "\${COMPREPLY[*]}"; }
try 'xen-network hooks '
try 'xen-network network-bridge start top'
try '/etc/xen/scripts/network-bridge start topology=p'
try 'network-nat start  netdev=et'
try 'xen-network check /'
complete -p network-bridge`;
    expect(run('bash', '-c', script)).toEqual({
      status: 0,
      stderr: '',
      stdout:
        'enable disable status\ntopology=\nplain\neth0\n\ncomplete -o default -F _xen_network network-bridge\n',
    });
  });

  test('fish completes words with what they are', (context) => {
    context.skip(run('sh', '-c', 'command -v fish').status !== 0, 'fish is not installed');
    const script =
      'xen-network completion fish | source; complete -C "xen-network hooks e"; complete -C "network-bridge start topology=p"';
    const { status, stdout } = run('fish', '--no-config', '-c', script);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^enable\twhat to do\ntopology=plain\t\w/);
  });

  test('zsh understands its script', (context) => {
    context.skip(run('sh', '-c', 'command -v zsh').status !== 0, 'zsh is not installed');
    const script =
      'autoload -U compinit; compinit -u -D; eval "$(xen-network completion zsh)"; print $_comps[network-bridge]';
    expect(run('zsh', '-f', '-c', script)).toEqual({ status: 0, stdout: '_xen_network\n', stderr: '' });
  });

  test('another shell is refused', () => {
    expect(net.host.hook('xen-network', ['completion', 'tcsh'])).toMatchObject({ status: 2, stdout: '' });
  });
});
