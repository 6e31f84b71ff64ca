import type { System } from '../../system/system.ts';
import { type FirewallChain, parseIptablesSave, parseNftRuleset } from '../../wire/firewall-rules.ts';

/**
 * All chains of the host's firewall: those of nft, and those of iptables in both back ends. Starts three to seven
 * children.
 * @param system the way to the firewall
 * @returns empty where no program can list them
 */
export function readFirewall(system: System): FirewallChain[] {
  const saves = (['ip', 'ip6'] as const).flatMap((family) => savesOf(system, family));
  // iptables' tables are left out of nft's listing, which does not know all of iptables' words.
  const known = new Set(
    saves.filter(({ byNft }) => byNft).flatMap(({ chains }) => chains.map(({ table }) => table)),
  );
  const listing = system.run(['nft', '-j', 'list', 'ruleset'], { isListing: true });
  const chains = parseNftRuleset(listing.stdout).filter(({ table }) => !known.has(table));
  const hangs = chains.some(({ hook, devices }) => isOnDevice(hook) && devices.length === 0);
  return [...saves.flatMap((save) => save.chains), ...(hangs ? withDevices(system, chains) : chains)];
}

interface Save {
  readonly byNft: boolean;
  readonly chains: readonly FirewallChain[];
}

/** Tables of the legacy back end exist only once somebody used them. */
function savesOf(system: System, family: 'ip' | 'ip6'): Save[] {
  const tool = `${family}tables`;
  const usual = system.run([`${tool}-save`], { isListing: true }).stdout;
  const byNft = usual.includes('(nf_tables)');
  const hasLegacy = byNft && (system.readText(`/proc/net/${family}_tables_names`) ?? '').trim() !== '';
  const legacy = hasLegacy ? system.run([`${tool}-legacy-save`], { isListing: true }).stdout : '';
  return [
    { byNft, chains: parseIptablesSave(usual, family) },
    { byNft: false, chains: parseIptablesSave(legacy, family) },
  ];
}

function isOnDevice(hook: string | undefined): boolean {
  return hook === 'ingress' || hook === 'egress';
}

/** Some versions of nft leave a chain's device out of their JSON; the plain listing always has it. */
function withDevices(system: System, chains: readonly FirewallChain[]): FirewallChain[] {
  const devices = new Map<string, readonly string[]>();
  let [table, name] = ['', ''];
  for (const line of system.run(['nft', 'list', 'chains'], { isListing: true }).stdout.split('\n')) {
    table = /^table (\S+ \S+)/.exec(line)?.[1] ?? table;
    name = /^\s*chain (\S+)/.exec(line)?.[1] ?? name;
    const hung = /hook (?:in|e)gress devices? (?:= )?(\{[^}]*\}|"[^"]*"|\S+)/.exec(line)?.[1];
    if (hung !== undefined) devices.set(`${table} ${name}`, hung.match(/[^\s",{}]+/g) ?? []);
  }
  return chains.map((chain) => ({
    ...chain,
    devices: devices.get(`${chain.table} ${chain.name}`) ?? chain.devices,
  }));
}
