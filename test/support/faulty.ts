// A hook as bin/xen-network.ts runs it, on a system of which one step fails or is the last:
// faulty.ts HOOK fail|kill STEP WORD... Run by Bun in a test host.

import { messageOf, XenNetworkError } from '../../lib/errors.ts';
import type { Applet } from '../../lib/hook/context.ts';
import { openLog } from '../../lib/system/log.ts';
import { openSystem } from '../../lib/system/system.ts';
import { networkBridge } from '../../scripts/network-bridge.ts';
import { vifBridge } from '../../scripts/vif-bridge.ts';
import { BEYOND_LAST_STEP, Fault, faultySystem } from './faulty-system.ts';

const HOOKS: Readonly<Record<string, Applet>> = { 'network-bridge': networkBridge, 'vif-bridge': vifBridge };

async function main(hook: string, mode: string, at: number, argv: readonly string[]): Promise<number> {
  const applet = HOOKS[hook];
  if (applet === undefined || (mode !== 'fail' && mode !== 'kill') || !Number.isInteger(at)) {
    throw new Error(`There is no hook ${hook}, or no fault ${mode} ${at}.`);
  }
  const fault = new Fault(mode, at);
  const system = faultySystem(openSystem(), fault);
  const log = openLog(system, hook);
  const print = (text: string) => void process.stdout.write(text);
  let status = 1;
  try {
    status = await applet({ hook, argv, env: process.env, system, log, print, interrupted: () => false });
  } catch (thrown) {
    log.error(messageOf(thrown));
    if (thrown instanceof XenNetworkError) status = thrown.exitCode;
    else throw thrown;
  } finally {
    await log.flush();
  }
  return fault.struck ? status : BEYOND_LAST_STEP;
}

const [, , hook = '', mode = '', at = '', ...argv] = process.argv;
process.exitCode = await main(hook, mode, Number(at), argv);
