import { visible } from '../../text.ts';
import type { System } from '../system.ts';

const DAEMON = 3;
const SEVERITY = { error: 3, warning: 4, info: 6 } as const;
/** Where the stock vif scripts' messages go; xl's users look there (docs/contract.md, "Logs"). */
const HOTPLUG_LOG_FOLDER = '/var/log/xen';

/** Tells people what happened: errors and warnings on stderr, everything in syslog. */
export interface Log {
  error(sentence: string): void;
  warn(sentence: string): void;
  info(sentence: string): void;
  /** Waits until all is on its way. */
  flush(): Promise<void>;
}

/**
 * A log under a hook's name: syslog facility daemon, stderr, and for vif hooks the file that the stock scripts write.
 * @param system the way to the socket and the file
 * @param tag the hook's name
 */
export function openLog(system: System, tag: string): Log {
  const underway: Promise<unknown>[] = [];
  const say = (severity: keyof typeof SEVERITY, sentence: string): void => {
    const text = visible(sentence.replace(/\s*\n\s*/g, ' '));
    if (severity !== 'info') system.print(`${tag}: ${text}\n`, 'err');
    if (severity !== 'info' && tag.startsWith('vif-')) toHotplugLog(system, `${tag}: ${text}\n`);
    // No timestamp: every syslog daemon sets its own, and to ask for the local time costs four milliseconds.
    const line = `<${DAEMON * 8 + SEVERITY[severity]}>${tag}[${process.pid}]: ${text}`;
    underway.push(
      system.native().then((native) => native.sendDatagram('/dev/log', new TextEncoder().encode(line))),
    );
  };
  return {
    error: (sentence) => say('error', sentence),
    warn: (sentence) => say('warning', sentence),
    info: (sentence) => say('info', sentence),
    flush: async () => void (await Promise.all(underway)),
  };
}

function toHotplugLog(system: System, line: string): void {
  if (!system.exists(HOTPLUG_LOG_FOLDER)) return;
  try {
    system.appendText(`${HOTPLUG_LOG_FOLDER}/xen-hotplug.log`, line);
  } catch {
    return;
  }
}
