import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HOOKS, loadNetworkHooks } from '../../../bin/hooks.ts';
import { helpText } from '../../../lib/hook/help.ts';
import { NETWORK_COMMANDS, SAFEGUARDS } from '../../../lib/hook/network/network.ts';
import type { Values } from '../../../lib/request/arguments.ts';
import { parseBridgeRequest } from '../../../lib/request/bridge.ts';
import { DESCRIBED_HOOKS } from '../../../lib/request/described/hooks.ts';
import { assignmentForm } from '../../../lib/request/described/variable.ts';
import { parseNatRequest, parseRouteRequest, parseVirtualRequest } from '../../../lib/request/forward.ts';
import { parseVifCall, parseVifSettings, VIF_VARIABLES } from '../../../lib/request/vif.ts';

const root = join(import.meta.dirname, '../../..');
const hooks = Object.entries(DESCRIBED_HOOKS);
const networks = await loadNetworkHooks();

const parsers: Readonly<Record<string, (values: Values) => unknown>> = {
  'network-bridge': parseBridgeRequest,
  'network-nat': parseNatRequest,
  'network-route': parseRouteRequest,
  'network-virtual': parseVirtualRequest,
};

function parseVif(values: Values): unknown {
  const call = parseVifCall('online', { vif: 'vif1.0', XENBUS_PATH: 'backend/vif/1/0' });
  return parseVifSettings(call, values, {});
}

/** All modules that are loaded with one. */
function loadedWith(file: string, known = new Set<string>()): Set<string> {
  if (known.has(file)) return known;
  known.add(file);
  const text = readFileSync(join(root, file), 'utf8');
  for (const [, target = ''] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from '(\.[^']+\.ts)';$/gms))
    loadedWith(relative(root, join(root, dirname(file), target)), known);
  return known;
}

describe('the description of the hooks', () => {
  test('is one of every hook there is', () => {
    expect(hooks.map(([name]) => name).sort()).toEqual(Object.keys(HOOKS).sort());
  });

  test.each([...networks])(
    '%s: has the variables and the commands that it understands',
    (name, { variables }) => {
      const described = DESCRIBED_HOOKS[name];
      expect(described?.variables.map((one) => one.name).sort()).toEqual(
        [...variables, ...SAFEGUARDS].sort(),
      );
      expect(described?.commands).toEqual(NETWORK_COMMANDS);
    },
  );

  test('has every variable of the vif hooks, and no other', () => {
    const named = hooks
      .filter(([name]) => name.startsWith('vif-'))
      .flatMap(([, { variables }]) => variables.map((one) => one.name));
    expect([...new Set(named)].sort()).toEqual([...VIF_VARIABLES].sort());
  });

  test.each(hooks)('%s: takes each word that it is said to take', (hook, { variables }) => {
    const parse = hook.startsWith('vif-') ? parseVif : parsers[hook];
    const words = variables.flatMap(({ name, values }) =>
      values.filter((word) => /^[a-z]+$/.test(word)).map((word) => ({ [name]: word })),
    );
    for (const values of words) expect(() => parse?.(values)).not.toThrow();
  });

  test.each(hooks)('%s: is what --help and the guide tell of', (hook, { variables }) => {
    const guide = readFileSync(join(root, 'docs/guide.md'), 'utf8');
    const help = helpText(hook);
    for (const variable of variables.filter((one) => one.isSetByToolstack !== true)) {
      expect(help).toContain(`  ${assignmentForm(variable)} `);
      expect(guide).toMatch(new RegExp(`\`${variable.name}(?:=|\`)|\`\\$${variable.name}\``));
    }
  });

  test('is not loaded by a hook that does its work', () => {
    const files = ['bin/compiled.ts', ...Object.keys(HOOKS).map((name) => `scripts/${name}.ts`)];
    const loaded = files.flatMap((file) => [...loadedWith(file)]);
    expect(loaded).toContain('lib/request/vif.ts');
    expect(loaded.filter((file) => file.includes('/described/'))).toEqual([]);
  });
});
