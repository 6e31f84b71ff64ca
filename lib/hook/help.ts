/** What a hook is for and which variables it takes. */
interface HookHelp {
  readonly purpose: string;
  readonly usage: string;
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

const VIF_COMMON: HookHelp['variables'] = [
  ['vif=NAME', 'the device, vifDOMID.DEVID; xl and udev set it'],
  ['type_if=vif|tap', 'vif for online and offline (the default), tap for add and remove'],
  ['ip=LIST', "the guest's addresses: IPv4, IPv6, CIDR ranges, with blanks between"],
  ['vifname=NAME', 'what the device is to be called; over 15 characters (11 beside a tap) it is cut'],
  ['mtu=BYTES', "the device's and the guest's MTU; the bridge's unless told"],
  ['filter=no', 'no iptables rules for this device'],
];

const HOOKS: Readonly<Record<string, HookHelp>> = {
  'network-bridge': {
    purpose: "bridges one of the host's network cards, so that guests share it",
    usage: '{start|stop|status} [VARIABLE=VALUE ...]',
    variables: [
      ['netdev=NAME', "the network card; the default route's device unless told"],
      ['bridge=NAME', 'the bridge; xenbrN unless told; null does nothing'],
      ['vifnum=N', 'the number in xenbrN, vethN and vif0.N'],
      ['topology=KIND', 'classic, rename or plain; classic unless the card needs plain'],
      ['antispoof=yes', 'drop what no rule lets pass; vif-bridge adds a rule for each guest address'],
      ['check=ADDRESS', 'after start this address must answer a ping within 10 s, else all is undone'],
      ['confirm=SECONDS', 'all is undone unless "xen-network confirm" is called in time'],
    ],
  },
  'vif-bridge': {
    purpose: "puts a guest's network card on a bridge; called by xl, xend or udev",
    usage: '{online|offline|add|remove} [VARIABLE=VALUE ...]',
    variables: [['bridge=NAME', "the bridge; the host's first unless told"], ...VIF_COMMON],
  },
};

/**
 * The text for `HOOK --help`.
 * @param hook a hook's name
 */
export function helpText(hook: string): string {
  const help = HOOKS[hook];
  if (help === undefined) return '';
  const width = Math.max(...help.variables.map(([name]) => name.length));
  return [
    `${hook}: ${help.purpose}.`,
    '',
    `Usage: ${hook} ${help.usage} [--dry-run] [--json] [--help] [--version]`,
    '',
    'Variables:',
    ...help.variables.map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`),
    '',
    '--dry-run, or XEN_NETWORK_DRY_RUN=1, prints the commands and changes nothing.',
    '',
  ].join('\n');
}
