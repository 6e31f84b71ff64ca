import { listed } from '../../text.ts';
import { XEND_CONFIG } from '../../wire/config/xend-config.ts';
import { XL_CONF } from '../../wire/config/xl-conf.ts';
import { type Complaint, complaint, type Rule } from './complaint.ts';

/** The vif-script that belongs to a network-script. */
const VIF_SCRIPTS: ReadonlyMap<string, string> = new Map([
  ['network-bridge', 'vif-bridge'],
  ['network-virtual', 'vif-bridge'],
  ['network-route', 'vif-route'],
  ['network-nat', 'vif-nat'],
]);

const badLines: Rule = ({ scripts }) =>
  scripts.faults.map((text) => complaint('scripts', 'warning', `${text} "xen-network check" shows all.`));

/**
 * network-multi-bridge is for several networks, and network-virtual has no card. Hooks of this program can share a card,
 * so without a configuration that names one of them nobody knows whether it is meant.
 */
const severalScripts: Rule = ({ scripts: { started, isMulti, networkScript } }) => {
  if (isMulti) return [];
  return [...new Set(started.map(({ device }) => device))].flatMap((device) => {
    const all = started.filter((one) => one.device === device && one.hook !== 'network-virtual');
    const names = [...new Set(all.map(({ hook }) => hook))];
    if (names.length < 2) return [];
    const isConfigured = networkScript !== undefined && names.includes(networkScript.hook);
    const others = names.filter((name) => name !== (isConfigured ? networkScript.hook : names[0]));
    const stops = others.map((name) => `"${name} stop"`).join(', ');
    return [
      complaint(
        'scripts',
        isConfigured ? 'warning' : 'note',
        `${listed(names)} are all started on ${device}, so guests find ${names.length} networks there${isConfigured ? `, and only ${networkScript.hook} comes back at the next boot (${networkScript.place})` : ''}. If only one is meant, stop the rest (${stops}); otherwise start them together by network-multi-bridge.`,
      ),
    ];
  });
};

const otherScript: Rule = ({ scripts: { networkScript, started, isMulti } }) => {
  const hooks = [...new Set(started.map(({ hook }) => hook))];
  if (networkScript === undefined || isMulti || hooks.length === 0) return [];
  const { hook, place } = networkScript;
  if (!VIF_SCRIPTS.has(hook) || hooks.includes(hook)) return [];
  return [
    complaint(
      'scripts',
      'warning',
      `${place} names ${hook}, but ${listed(hooks)} is what is started: after the next boot guests find another network. Correct the line, or run "${hooks[0]} stop" and "xen-network start".`,
    ),
  ];
};

const otherVifScript: Rule = ({ scripts: { networkScript, vifScript, xlScript } }) => {
  const wanted = VIF_SCRIPTS.get(networkScript?.hook ?? '');
  if (networkScript === undefined || wanted === undefined) return [];
  const found: Complaint[] = [];
  if (vifScript !== undefined && vifScript.hook !== wanted)
    found.push(
      complaint(
        'scripts',
        'warning',
        `${vifScript.place} names ${vifScript.hook}, which does not belong to ${networkScript.hook}: guests are attached to a network that is not there. Write (vif-script ${wanted}) in ${XEND_CONFIG}.`,
      ),
    );
  const told = vifScript?.hook ?? wanted;
  if (xlScript !== told)
    found.push(
      complaint(
        'scripts',
        'warning',
        `xl gives ${xlScript} to guests that name no script, and ${XEND_CONFIG} ${told}: xl reads ${XL_CONF} alone. Write vif.default.script="${told}" there.`,
      ),
    );
  return found;
};

const whoCalls: Rule = ({ scripts: { udevCalls, xlRunsHooks } }) => {
  if (!xlRunsHooks)
    return udevCalls.length > 0
      ? []
      : [
          complaint(
            'scripts',
            'error',
            `run_hotplug_scripts is 0 in ${XL_CONF}, and no udev rule calls the hooks: nobody attaches guests. Take that line out, or bring Xen's udev rules back.`,
          ),
        ];
  return udevCalls
    .filter(({ isGuarded }) => !isGuarded)
    .map(({ place, hook }) =>
      complaint(
        'scripts',
        'error',
        `${place} lets udev call ${hook}, and xl calls the hooks, too (run_hotplug_scripts): two hooks work on each device at once. Remove that rule, or add ENV{UDEV_CALL}="1" to it, then run "udevadm control --reload".`,
      ),
    );
};

/** What is wrong with who calls which script. */
export const SCRIPT_RULES: readonly Rule[] = [
  badLines,
  severalScripts,
  otherScript,
  otherVifScript,
  whoCalls,
];
