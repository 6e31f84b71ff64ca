import { messageOf, XenstoreError } from '../../errors.ts';
import type { Native } from '../kernel/native.ts';
import { XenstoreClient } from './client.ts';
import { XenstoreConnection } from './connection.ts';
import { LastingXenstore } from './lasting.ts';
import type { Xenstore } from './xenstore.ts';

const ANSWER_TIMEOUT_MS = 10_000;
/** Pending requests on a socket: few enough that no buffer fills up and blocks either side. */
const PIPELINE_DEPTH = 32;

type Ways = Pick<Native, 'connectStream' | 'openDevice'>;

/**
 * The process's environment. XENSTORED_PATH and XENSTORED_RUNDIR name another xenstored (docs/contract.md,
 * "Environment").
 */
export type XenstoreEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * Connects to xenstored. Where XENSTORED_PATH or XENSTORED_RUNDIR is set, only that socket is tried; otherwise the
 * usual sockets, then the kernel's device, which reaches a xenstored in another domain (docs/contract.md, "xenstore").
 * Where xenstored is restarted later, the connection is made anew.
 * @param native the port to sockets and devices
 * @param env the process's environment
 * @param timeoutMs how long to wait for each answer of xenstored, in milliseconds
 * @throws XenstoreError when no place answers, with the reason for each
 */
export async function openXenstore(
  native: Ways,
  env: XenstoreEnvironment,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<Xenstore> {
  const open = () => openOnce(native, env, timeoutMs);
  return new LastingXenstore(await open(), open);
}

async function openOnce(native: Ways, env: XenstoreEnvironment, timeoutMs: number): Promise<Xenstore> {
  const reasons: string[] = [];
  for (const place of places(env)) {
    try {
      return new XenstoreClient(await connect(native, place, timeoutMs));
    } catch (error) {
      reasons.push(messageOf(error));
    }
  }
  throw new XenstoreError(
    `xenstore cannot be reached. ${reasons.join(' ')} Start xenstored, or set XENSTORED_PATH to its socket.`,
  );
}

/**
 * Connects to xenstored for a piece of work, and closes the connection after it.
 * @param native the port to sockets and devices
 * @param env the process's environment
 * @param work what needs xenstore
 * @param timeoutMs how long to wait for each answer of xenstored, in milliseconds
 * @throws XenstoreError when no place answers, with the reason for each
 */
export async function withXenstore<T>(
  native: Ways,
  env: XenstoreEnvironment,
  work: (store: Xenstore) => Promise<T>,
  timeoutMs?: number,
): Promise<T> {
  const store = await openXenstore(native, env, timeoutMs);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

function places(env: XenstoreEnvironment): string[] {
  if (env.XENSTORED_PATH) {
    return [env.XENSTORED_PATH];
  }
  if (env.XENSTORED_RUNDIR) {
    return [`${env.XENSTORED_RUNDIR}/socket`];
  }
  return ['/run/xenstored/socket', '/var/run/xenstored/socket', '/dev/xen/xenbus', '/proc/xen/xenbus'];
}

async function connect(native: Ways, place: string, timeoutMs: number): Promise<XenstoreConnection> {
  if (place.endsWith('/xenbus')) {
    // The driver reads one request from each write and drops the rest.
    return new XenstoreConnection(await native.openDevice(place, timeoutMs), place, 1);
  }
  return new XenstoreConnection(await native.connectStream(place, timeoutMs), place, PIPELINE_DEPTH);
}
