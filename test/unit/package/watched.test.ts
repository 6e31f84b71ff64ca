import { expect, test } from 'vitest';
import { Watched } from '../../package/watched.ts';

const HOOK = '/etc/xen/scripts/vif-bridge';
const PROGRAM = '/usr/lib/xen-network/xen-network';
const LINKED = [{ path: HOOK, file: PROGRAM }];

function gaps(trace: string, served: readonly { path: string; file?: string }[] = LINKED): string[] {
  return new Watched(served, [PROGRAM], '/run/root').gaps(trace).map((line) => line.split(': ')[0] ?? '');
}

test('a rename over a hook, or over its program, leaves no gap', () => {
  expect(
    gaps(`1 symlinkat("../../../usr/lib/xen-network/xen-network", AT_FDCWD</run/root/etc/xen/scripts>, "new") = 0
1 renameat2(AT_FDCWD</run/root/etc/xen/scripts>, "new", AT_FDCWD</run/root>, "${HOOK}", 0) = 0
2 rename("/usr/lib/xen-network/xen-network.dpkg-new", "${PROGRAM}") = 0
2 link("${HOOK}", "/etc/xen/scripts/kept") = 0
2 rename("/etc/xen/scripts/other", "${HOOK}") = 0`),
  ).toEqual([]);
});

test.each([
  ['its name', `1 unlinkat(5</run/root/etc/xen/scripts>, "vif-bridge", 0) = 0`],
  ['its name, moved away', `1 rename("${HOOK}", "/etc/xen/scripts/.xen-network-stock/vif-bridge") = 0`],
  ['its program', `1 unlink("/usr/lib/xen-network/./xen-network") = 0`],
  [
    'what its new link leads to',
    `1 symlink("/no/such", "/etc/new") = 0\n1 rename("/etc/new", "${HOOK}") = 0`,
  ],
])('a hook that loses %s has one, though it is put back', (_, trace) => {
  expect(gaps(`${trace}\n2 rename("/etc/anew", "${HOOK}") = 0`)).toEqual([HOOK]);
});

test('a call of another name, or one that failed, changes nothing', () => {
  expect(gaps(`1 unlink("/etc/xen/scripts/vif-route") = 0\n1 unlink("${HOOK}") = -1 EACCES`)).toEqual([]);
});
