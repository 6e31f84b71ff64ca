import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { seal } from '../../lib/record/sealed.ts';

/** Where the content of journals and records is declared. */
const DECLARED: Readonly<Record<string, readonly string[]>> = {
  'lib/apply/confirm.ts': ['TakeBack'],
  'lib/observe/bridge/uplink.ts': [
    'BridgeRecord',
    'CardRecord',
    'AddressRecord',
    'BridgeBefore',
    'AntispoofRecord',
  ],
  'lib/observe/filter/strict.ts': ['StrictRecord'],
  'lib/observe/forward/nat.ts': ['SubnetRecord', 'DhcpRecord', 'NatRecord'],
  'lib/observe/forward/virtual.ts': ['VirtualRecord'],
  'lib/observe/host/host.ts': ['Address'],
  'lib/observe/host/routes.ts': ['Route'],
  'lib/observe/host/service.ts': ['Service'],
  'lib/observe/records.ts': ['VifRecord'],
  'lib/plan/step.ts': ['Command', 'ServiceCommand', 'DeviceMark', 'Step', 'LostPort', 'Refusable'],
  'lib/record/assignment.ts': ['Assignment', 'AssignedAddress', 'AssignedRoute', 'AssignedProxy'],
  'lib/record/hook-runs.ts': ['HookTotals', 'HookRecord'],
  'lib/record/shared-settings.ts': ['SharedSetting', 'HeldSetting'],
  'lib/record/traffic.ts': ['CountedRecord', 'DeviceCount', 'GuestTotals', 'Totals'],
  'lib/request/multi-bridge.ts': ['HookCall'],
  'lib/request/vlan.ts': ['PortVlans', 'VlanRange'],
  'lib/wire/dhcp-conf.ts': ['LineEdit', 'WordEdit', 'FileEdit'],
};

/** A declaration without comments, one word after the other. */
function declaration(text: string, name: string): string {
  const form = `interface ${name}\\b[\\s\\S]*?^\\}|type ${name}\\b(?:.*;$|[\\s\\S]*?^(?:  \\| | *\\}).*;$)`;
  const plain = text.replace(/ *\/\*\*[\s\S]*?\*\/\n/g, '').replace(/^ *\/\/.*\n/gm, '');
  const [found] = new RegExp(`^export (?:${form})`, 'm').exec(plain) ?? [];
  if (found === undefined) throw new Error(`There is no declaration of ${name}.`);
  return found.replace(/\s+/g, ' ');
}

// A program that is older than a file must know that it cannot read it, so what is new in a file needs a new number. Where
// this fails, raise FORMAT in lib/record/sealed.ts, say there what is new, and let the test write the text of the new number.
test('what journals and records contain is what it was when their format got its number', async () => {
  const [format] = seal('').split(' ');
  const shapes = Object.entries(DECLARED).flatMap(([file, names]) => {
    const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
    return names.map((name) => declaration(text, name));
  });
  await expect(`${shapes.join('\n')}\n`).toMatchFileSnapshot(`record-formats/${format}.txt`);
});
