import { applyPlan, applyTeardown } from '../lib/apply/apply.ts';
import { mergeValues } from '../lib/contract/arguments.ts';
import { vifRecordPath } from '../lib/contract/paths.ts';
import { parseVifSettings, VIF_KEYS, VIF_VARIABLES, vifRename } from '../lib/contract/vif-request.ts';
import { StepError, VerifyError } from '../lib/errors.ts';
import { NO_RULES, type RuleSet, vifForwardRules } from '../lib/filter/forward.ts';
import { type Context, printPlan } from '../lib/hook/context.ts';
import { type PostVariables, runPostHooks } from '../lib/hook/post.ts';
import { runVifHook, tellSuccess, type VifRun } from '../lib/hook/vif.ts';
import { type Port, readPort } from '../lib/observe/port.ts';
import { listPortRules, unrestrictedFamilies } from '../lib/observe/rules.ts';
import { awaitVif, findBridge, observeVif } from '../lib/observe/vif.ts';
import { isJoined, type JoinRequest, planJoin, planLeave } from '../lib/plan/vif-bridge.ts';

/** Puts a guest's vif (online, offline) or tap (add, remove) on a bridge: contract 3, vif-bridge. */
export function vifBridge(context: Context): Promise<number> {
  return runVifHook(context, { attach, detach });
}

async function attach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const settings = parseVifSettings(run.call, run.given, run.stored);
  const bridge = findBridge(system, settings.bridge);
  const state = await awaitVif(system, run.call, settings.rename);
  const { port } = state;
  if (port === undefined) return;

  const name = settings.rename?.name ?? port.name;
  const known = state.record !== undefined || port.master !== undefined;
  const request: JoinRequest = {
    call: run.call,
    rename: settings.rename,
    bridge,
    mtu: settings.mtu ?? bridge.mtu,
    inPlace: known ? listPortRules(system, name) : NO_RULES,
    rules: settings.filter
      ? vifForwardRules(name, settings.addresses, unrestrictedFamilies(system))
      : NO_RULES,
    recordPath: vifRecordPath(run.call.device),
  };
  const plan = (rules: RuleSet) => planJoin({ ...state, port }, { ...request, rules });
  if (run.dryRun) return printPlan(run.context, plan(request.rules));

  const apply = (rules: RuleSet) =>
    applyPlan(system, plan(rules), {
      key: run.call.device,
      warn: log.warn,
      check: async () => {
        verify(readPort(system, name), name, request);
        runPostHooks(system, run.context.hook, run.call, postVariables(run, name, bridge.name));
        await tellSuccess(run, request.mtu);
      },
    });
  try {
    await apply(request.rules);
  } catch (thrown) {
    // Without ip= and antispoof nobody asked for rules: a host with no working iptables still gets its guest.
    const wanted = settings.addresses.length > 0 || unrestrictedFamilies(system).length > 1;
    if (wanted || !(thrown instanceof StepError) || !thrown.tool.includes('tables')) throw thrown;
    log.warn(`${name} is connected without filter rules: ${thrown.message}`);
    await apply(NO_RULES);
  }
  log.info(`${name} is a port of ${bridge.name}.`);
}

async function detach(run: VifRun): Promise<void> {
  const { system, log } = run.context;
  const values = mergeValues([...VIF_VARIABLES, ...VIF_KEYS], run.given, run.stored);
  const state = observeVif(system, run.call, vifRename(run.call, values));
  const name = state.port?.name ?? state.record?.name ?? vifRename(run.call, values)?.name ?? run.call.device;
  const recordPath = vifRecordPath(run.call.device);
  const plan = planLeave(state, state.record?.rules ?? listPortRules(system, name), recordPath);
  if (run.dryRun) return printPlan(run.context, plan);

  const failures = await applyTeardown(system, plan);
  // Somebody may have flushed some of the rules: what is left of them is looked up and taken one by one.
  const left = failures.length > 0 ? listPortRules(system, name) : NO_RULES;
  if (failures.length > 0)
    await applyTeardown(
      system,
      planLeave({ ...state, port: undefined, record: undefined }, left, recordPath),
    );
  runPostHooks(
    system,
    run.context.hook,
    run.call,
    postVariables(run, name, values['bridge'] ?? state.record?.bridge ?? ''),
  );
  log.info(`${name} is off its bridge.`);
}

function verify(port: Port | undefined, name: string, request: JoinRequest): void {
  if (port !== undefined && isJoined(port, name, request)) return;
  throw new VerifyError(
    `${name} is not a running port of ${request.bridge.name} with MTU ${request.mtu} after all steps: ` +
      'something else changes it at the same time (NetworkManager, systemd-networkd?). Keep it away from vif devices.',
  );
}

function postVariables(run: VifRun, dev: string, bridge: string): PostVariables {
  const value = (key: string) => run.stored[key] ?? run.given[key] ?? '';
  return { dev, bridge, ip: value('ip'), vifname: value('vifname'), mac: value('mac') };
}
