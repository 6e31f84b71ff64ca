import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../support/hosts/host.ts';
import { VifHost } from '../../support/hosts/vif-host.ts';

const BACKEND = '/local/domain/0/backend/vif';

let vif: VifHost;
let host: Host;

beforeAll(async () => {
  vif = await VifHost.create();
  host = vif.host;
});

afterAll(() => host.close());

beforeEach(() => vif.reset());

describe('post hooks', () => {
  const FOLDER = '/etc/xen/scripts/vif-post.d';

  test('are sourced in name order, with variables and helpers at hand', () => {
    vif.card(1, { ip: '192.0.2.7 192.0.2.8', vifname: 'web', mac: '00:16:3e:01:02:03' });
    const show = [
      'log debug "in the first hook"',
      'seen=first',
      'declare -p dev bridge command ip vif vifname type_if XENBUS_PATH >/run/post.log',
      'echo "mac $(xenstore_read "$XENBUS_PATH/mac")" >>/run/post.log',
      'echo "nothing: $(xenstore_read_default "$XENBUS_PATH/nosuch" instead)" >>/run/post.log',
      'do_or_die true',
      'do_without_error false',
      'claim_lock post-test; release_lock post-test',
      'echo "$0 $*" >>/run/post.log',
      'xenstore_write "$XENBUS_PATH/post" "$dev"',
    ];
    host.write(`${FOLDER}/10-show.hook`, `${show.join('\n')}\n`, '755');
    host.write(`${FOLDER}/20-second.hook`, 'echo "second after $seen" >>/run/post.log\n', '755');
    host.write(`${FOLDER}/30-off.hook`, 'echo "not executable" >>/run/post.log\n', '644');
    host.write(`${FOLDER}/40-other.txt`, 'echo "no hook" >>/run/post.log\n', '755');
    expect(vif.online(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(host.ok('cat', '/run/post.log').trim().split('\n')).toEqual([
      'declare -x dev="web"',
      'declare -x bridge="xenbr0"',
      'declare -x command="online"',
      'declare -x ip="192.0.2.7 192.0.2.8"',
      'declare -x vif="vif1.0"',
      'declare -x vifname="web"',
      'declare -x type_if="vif"',
      'declare -x XENBUS_PATH="backend/vif/1/0"',
      'mac 00:16:3e:01:02:03',
      'nothing: instead',
      '/etc/xen/scripts/vif-bridge online type_if=vif',
      'second after first',
    ]);
    expect(vif.store.read(`${BACKEND}/1/0/post`)).toBe('web');
    expect(vif.store.told(1).status).toBe('connected');

    expect(vif.offline(1)).toEqual({ status: 0, stdout: '', stderr: '' });
    const lines = host.ok('cat', '/run/post.log').split('\n');
    expect(lines).toEqual(
      expect.arrayContaining([
        'declare -x command="offline"',
        'declare -x dev="web"',
        'declare -x bridge="xenbr0"',
      ]),
    );
  });

  test.each([
    ['calls fatal', 'fatal "the firewall is away"', 'the firewall is away'],
    ['has a command that fails', 'true\nfalse\n', '10-bad.hook failed in line 2'],
    ['exits', 'exit 3', 'exit status 3'],
  ])('one that %s undoes the online', async (_what, text, said) => {
    vif.card(1, { ip: '192.0.2.7' });
    const before = await host.settled();
    host.write(`${FOLDER}/10-bad.hook`, text, '755');
    expect(vif.online(1).status).toBe(1);
    const { status, error } = vif.store.told(1);
    expect(status).toBe('error');
    expect(error).toContain(
      `vif-bridge online vif1.0: a post hook in ${FOLDER} failed (${said}). Mend that file or take it away.`,
    );
    expect(await host.snapshotLike(before)).toEqual(before);
  });

  test('one that fails does not keep offline from cleaning', () => {
    vif.card(1, { ip: '192.0.2.7' });
    expect(vif.online(1).status).toBe(0);
    host.write(`${FOLDER}/10-bad.hook`, 'false\n', '755');
    const { status, stderr } = vif.offline(1);
    expect(status).toBe(0);
    expect(stderr).toContain('10-bad.hook failed in line 1');
    expect(vif.forward()).toEqual(['-P FORWARD ACCEPT']);
  });

  test('values from xenstore are never evaluated', () => {
    vif.card(1);
    host.write(`${FOLDER}/10-show.hook`, 'echo "$mac, $ip" >/run/post.log\n', '755');
    expect(vif.online(1).status).toBe(0);
    vif.store.write({
      [`${BACKEND}/1/0/mac`]: '$(touch /run/evaluated)',
      [`${BACKEND}/1/0/ip`]: '`id`; false',
    });
    expect(vif.offline(1).status).toBe(0);
    expect(host.ok('cat', '/run/post.log')).toBe('$(touch /run/evaluated), `id`; false\n');
    expect(host.run(['test', '-e', '/run/evaluated']).status).toBe(1);
  });
});
