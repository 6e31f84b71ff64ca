import { visible } from '../../text.ts';
import type { System } from '../system.ts';

const DAEMON = 3;
const SEVERITY = { error: 3, warning: 4, info: 6 } as const;
/** The folder of the stock vif scripts' messages; xl's users look there (docs/contract.md, "Logs"). */
const HOTPLUG_LOG_FOLDER = '/var/log/xen';

/** The log of a hook: errors and warnings go to stderr, everything goes to syslog. */
export interface Log {
  error(sentence: string): void;
  warn(sentence: string): void;
  info(sentence: string): void;
  /** Waits until all messages have been sent. */
  flush(): Promise<void>;
}

/**
 * Opens the log of a hook: syslog facility daemon, stderr, and for vif hooks also the file that the stock scripts
 * write.
 * @param system the way to the socket and the file
 * @param tag the hook's name
 */
export function openLog(system: System, tag: string): Log {
  const underway: Promise<unknown>[] = [];
  const say = (severity: keyof typeof SEVERITY, sentence: string): void => {
    const text = visible(sentence.replace(/\s*\n\s*/g, ' '));
    if (severity !== 'info') system.print(`${tag}: ${text}\n`, 'err');
    if (severity !== 'info' && tag.startsWith('vif-')) toHotplugLog(system, `${tag}: ${text}\n`);
    // No timestamp: every syslog daemon adds its own, and computing the local time takes four milliseconds.
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
  try {
    if (!system.exists(HOTPLUG_LOG_FOLDER)) return;
    system.appendText(`${HOTPLUG_LOG_FOLDER}/xen-hotplug.log`, line);
  } catch {
    return;
  }
}
