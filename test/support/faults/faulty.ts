// A hook as bin/xen-network.ts runs it, on a system of which one step fails or is the last:
// faulty.ts HOOK fail|kill STEP kernel|ip WORD... Run by Bun in a test host.

import { HOOKS, loadNetworkHooks } from '../../../bin/hooks.ts';
import { messageOf, XenNetworkError } from '../../../lib/errors.ts';
import { openLog } from '../../../lib/system/files/log.ts';
import { withFirewall } from '../../../lib/system/kernel/firewall.ts';
import { openSystem } from '../../../lib/system/system.ts';
import { driverNative } from './driver-native.ts';
import { BEYOND_LAST_STEP, type Door, Fault, type FaultMode, faultySystem } from './faulty-system.ts';

async function main([hook = '', mode, step, door, ...argv]: readonly string[]): Promise<number> {
  const applet = await HOOKS[hook]?.();
  const at = Number(step);
  if (applet === undefined || !isMode(mode) || !Number.isInteger(at) || !isDoor(door)) {
    throw new Error(`There is no hook ${hook}, or no fault ${mode} ${step} ${door}.`);
  }
  const fault = new Fault(mode, at);
  const system = faultySystem(withFirewall(openSystem(await driverNative())), fault, door);
  const log = openLog(system, hook);
  const print = (text: string) => void process.stdout.write(text);
  let status = 1;
  try {
    status = await applet({
      hook,
      argv,
      env: process.env,
      system,
      log,
      print,
      interrupted: () => false,
      hooks: HOOKS,
      networkHooks: loadNetworkHooks,
    });
  } catch (thrown) {
    log.error(messageOf(thrown));
    if (thrown instanceof XenNetworkError) status = thrown.exitCode;
    else throw thrown;
  } finally {
    await log.flush();
  }
  return fault.struck ? status : BEYOND_LAST_STEP;
}

function isMode(word: string | undefined): word is FaultMode {
  return word === 'fail' || word === 'kill';
}

function isDoor(word: string | undefined): word is Door {
  return word === 'kernel' || word === 'ip';
}

process.exitCode = await main(process.argv.slice(2));
