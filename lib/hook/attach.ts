import { applyPlan, applyTeardown } from '../apply/apply.ts';
import { StepError } from '../errors.ts';
import { NO_RULES, type RuleSet } from '../filter/forward.ts';
import { listPortRules, unrestrictedFamilies } from '../observe/rules.ts';
import type { VifState } from '../observe/vif.ts';
import type { Plan } from '../plan/step.ts';
import { printPlan } from './context.ts';
import { runPostHooks } from './post.ts';
import { tellSuccess, type VifRun } from './vif.ts';

/** How a guest's device is put to use. */
export interface Attachment {
  /** The device's name once it is attached. */
  readonly name: string;
  readonly bridge: string;
  /** The rules that let its packets pass. */
  readonly rules: RuleSet;
  /** Whether somebody asked for these rules: without an `ip` nobody did, unless antispoof drops the rest. */
  readonly restricted: boolean;
  /** The steps, with the rules that can be had. */
  readonly plan: (rules: RuleSet) => Plan;
  /** Looks at the host again; throws VerifyError. */
  readonly verify: () => void;
  /** What the guest is told as its MTU, in bytes. */
  readonly mtu: number | undefined;
}

/**
 * Carries an online or add out: plan, second look, post hooks, and the word to xenstore, all or nothing.
 * @param run the call
 * @param attachment the hook's own part
 * @throws StepError, VerifyError, HostError; the host is then as it was
 */
export async function attachVif(run: VifRun, attachment: Attachment): Promise<void> {
  const { system, log, hook } = run.context;
  const { name, rules } = attachment;
  if (run.dryRun) return printPlan(run.context, attachment.plan(rules));
  const apply = (wanted: RuleSet) =>
    applyPlan(system, attachment.plan(wanted), {
      key: run.call.device,
      warn: log.warn,
      check: async () => {
        attachment.verify();
        runPostHooks(system, hook, run.call, { dev: name, bridge: attachment.bridge, ...given(run) });
        await tellSuccess(run, attachment.mtu);
      },
    });
  try {
    await apply(rules);
  } catch (thrown) {
    // A host with no working iptables still gets its guest, where nobody asked for rules.
    const wanted = attachment.restricted || unrestrictedFamilies(system).length > 1;
    if (wanted || !(thrown instanceof StepError) || !thrown.tool.includes('tables')) throw thrown;
    log.warn(`${name} is connected without filter rules: ${thrown.message}`);
    await apply(NO_RULES);
  }
}

/** How a guest's device is let go. */
export interface Detachment {
  readonly state: VifState;
  /** The name that the device has, or had. */
  readonly name: string;
  readonly bridge: string;
  /** The steps, with the rules that are in place. */
  readonly plan: (rules: RuleSet) => Plan;
}

/**
 * Carries an offline or remove out: everything is tried, whatever is missing.
 * @param run the call
 * @param detachment the hook's own part
 */
export async function detachVif(run: VifRun, detachment: Detachment): Promise<void> {
  const { system, hook } = run.context;
  const { state, name, plan } = detachment;
  const steps = plan(state.record?.rules ?? listPortRules(system, name));
  if (run.dryRun) return printPlan(run.context, steps);
  const failures = await applyTeardown(system, steps);
  if (failures.length > 0) {
    // Somebody may have flushed some of the rules: what is left of them is looked up and taken one by one.
    await applyTeardown(system, plan(listPortRules(system, name)));
  }
  runPostHooks(system, hook, run.call, { dev: name, bridge: detachment.bridge, ...given(run) });
}

function given(run: VifRun): { readonly ip: string; readonly vifname: string; readonly mac: string } {
  const value = (key: string) => run.stored[key] ?? run.given[key] ?? '';
  return { ip: value('ip'), vifname: value('vifname'), mac: value('mac') };
}
