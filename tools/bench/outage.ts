// How long the host is off the network while network-bridge starts and stops, seen by the machine at the other end.

import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { Host } from '../../test/support/hosts/host.ts';
import { PLAIN_ENV } from '../../test/support/hosts/namespace.ts';
import { sleep, waitUntil } from '../../test/support/wait.ts';
import { compiled } from './c-program.ts';
import { median } from './numbers.ts';

const TOPOLOGIES = ['classic', 'rename', 'plain'] as const;
const COMMANDS = ['start', 'stop'] as const;
const MAKERS = ['ours', 'sequence'] as const;
const ADDRESS = '192.0.2.10';
/** How long the host is watched before and after. */
const CALM_MS = 100;

type Topology = (typeof TOPOLOGIES)[number];
type Maker = (typeof MAKERS)[number];

/** Medians of one maker's outages. */
export interface OutageResult {
  readonly topology: Topology;
  readonly command: string;
  readonly maker: Maker;
  /** The sum of all times in which the host did not answer. */
  readonly outageMs: number;
  /** Of each run. */
  readonly allMs: readonly number[];
}

/**
 * Measures the outage in all topologies.
 * @param rounds how often
 */
export async function measureOutages(rounds: number): Promise<OutageResult[]> {
  const found = new Map<string, number[]>();
  const results: OutageResult[] = [];
  for (const topology of TOPOLOGIES) {
    const host = await Host.create();
    cpSync(join(import.meta.dirname, 'sequence'), host.path('/run/sequence'), { recursive: true });
    const gateway = host.nic('eth0', { address: `${ADDRESS}/24`, gateway: '192.0.2.1' });
    // The other machine knows the host: how often it asks again for a MAC address is not what is measured.
    const mac = host.ok('cat', '/sys/class/net/eth0/address').trim();
    gateway.ip(`neigh replace ${ADDRESS} lladdr ${mac} dev eth0 nud permanent`);
    for (let round = 0; round < rounds; round++) {
      for (const maker of MAKERS) {
        for (const command of COMMANDS) {
          const key = `${topology} ${command} ${maker}`;
          const outage = await outageOf(key, gateway.enter, () => act(host, maker, command, topology));
          found.set(key, [...(found.get(key) ?? []), outage]);
        }
      }
    }
    await host.close();
    for (const command of COMMANDS) {
      for (const maker of MAKERS) {
        const allMs = found.get(`${topology} ${command} ${maker}`) ?? [];
        results.push({ topology, command, maker, outageMs: median(allMs), allMs });
      }
    }
  }
  return results;
}

async function act(host: Host, maker: Maker, command: string, topology: Topology): Promise<void> {
  const argv =
    maker === 'ours'
      ? ['/etc/xen/scripts/network-bridge', command, `topology=${topology}`]
      : ['/run/sequence/network-bridge', command, topology];
  const { status, stderr } = await host.start(argv);
  if (status !== 0) throw new Error(`network-bridge ${command} (${maker}, ${topology}) failed: ${stderr}`);
}

/** @returns how long the host did not answer, in milliseconds */
async function outageOf(what: string, enter: readonly string[], work: () => Promise<void>): Promise<number> {
  const [file = '', ...args] = [...enter, compiled('probe'), ADDRESS];
  const probe = spawn(file, args, { env: { ...PLAIN_ENV }, stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  probe.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const ended = new Promise<void>((resolve) => probe.once('close', () => resolve()));
  await waitUntil('the probe', () => said.startsWith('ready\n'));
  await sleep(CALM_MS);
  await waitUntil(`an answer before ${what}`, () => answers(said));
  // The first answer may wait for the machines to learn each other's addresses.
  said = 'ready\n';
  await work();
  // A late outage counts as well.
  await sleep(CALM_MS);
  await waitUntil(`an answer after ${what}`, () => answers(said));
  probe.stdin.end();
  await ended;
  const times = [...said.matchAll(/^o(?:ff|n) (\d+)$/gm)].map(([, time]) => Number(time) / 1000);
  // off, on, off, on
  return times.reduce((sum, time, i) => sum + (i % 2 === 0 ? -time : time), 0);
}

/** Whether the probe has said that the host answers. */
function answers(said: string): boolean {
  return said.endsWith('\n') && said.trim().split('\n').at(-1)?.startsWith('off') === false;
}
