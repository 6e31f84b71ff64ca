import { spawn } from 'node:child_process';
import type { Host } from '../hosts/host.ts';
import { compile } from '../kernel/compile.ts';
import type { Hex } from './packets.ts';

/** One end of a wire: a namespace's name, and its device. */
export interface End {
  readonly netns: string;
  readonly device: string;
}

/** Where frames go in, where they may come out, and who is filtered by nobody. */
export interface Wire {
  readonly sender: End;
  readonly watcher: End;
  readonly marker: End;
}

/**
 * Sends frames and tells which of them arrive.
 * @param host where the namespaces are
 * @param wire from where to where
 * @param frames Ethernet frames, no two alike
 * @returns those that arrived, in their order; what others send meanwhile is left out
 * @throws Error when they cannot be sent
 */
export function arrivals(host: Host, { sender, watcher, marker }: Wire, frames: readonly Hex[]): Hex[] {
  const words = [sender, watcher, marker].flatMap(({ netns, device }) => [`/run/netns/${netns}`, device]);
  const ran = host.run([compile('frames', []), ...words], { input: `${frames.join('\n')}\n` });
  if (ran.status !== 0) throw new Error(`The frames could not be sent: ${ran.stderr}`);
  const sent = new Set(frames);
  return ran.stdout.split('\n').filter((frame) => sent.has(frame));
}

/**
 * Sends frames over and over, whether the device runs or not.
 * @param host where the namespace is
 * @param sender from where
 * @param frames at most 1024 Ethernet frames of at most 2048 bytes
 * @returns ends it
 */
export function flood(host: Host, sender: End, frames: readonly Hex[]): () => void {
  const [file = '', ...args] = [
    ...host.enter,
    compile('frames', []),
    `/run/netns/${sender.netns}`,
    sender.device,
  ];
  const child = spawn(file, args, { stdio: ['pipe', 'ignore', 'ignore'] });
  // It may be ended before it has read them.
  child.stdin.on('error', () => {});
  child.stdin.end(`${frames.join('\n')}\n`);
  return () => void child.kill('SIGKILL');
}
