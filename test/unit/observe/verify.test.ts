import { describe, expect, test } from 'vitest';
import { lostRoutes } from '../../../lib/observe/bridge/verify.ts';
import { parseRoutes } from '../../../lib/observe/host/routes.ts';
import { richHost } from '../../support/cases/bridge-cases.ts';

function hostWith(...routes: string[]) {
  const lines = routes.map((route) => `unicast ${route} proto static`);
  return { ...richHost('eth0', []), routes: parseRoutes(4, lines.join('\n')) };
}

describe('routes that a start lost', () => {
  const before = hostWith(
    'default via 192.0.2.1 dev eth0',
    '10.9.0.0/16 via 192.0.2.254 dev eth0 table 100 metric 5',
    '10.10.0.0/16 via 192.0.2.254 dev eth0',
    '10.11.0.0/16 dev other0',
  );

  test('are told by destination, table and metric, wherever they lead now', () => {
    const now = hostWith(
      'default via 192.0.2.1 dev xenbr0',
      '10.9.0.0/16 via 192.0.2.254 dev xenbr0 table 100',
    );
    expect(lostRoutes(now, before, 'eth0')).toEqual([
      expect.stringMatching(/^The route to 10\.9\.0\.0\/16 of the table 100 with metric 5 is lost/),
      expect.stringMatching(/^The route to 10\.10\.0\.0\/16 is lost/),
    ]);
  });

  test('are none where all lead by another device', () => {
    const now = { ...before, routes: before.routes.map((route) => ({ ...route, hops: [] })) };
    expect(lostRoutes(now, before, 'eth0')).toEqual([]);
  });
});
