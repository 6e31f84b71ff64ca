// Only types are imported from the modules that call the C library: they serve every hook, and a module that they share
// with this one would be one more for each hook to load.

import { XenNetworkError } from '../../errors.ts';
import { concatBytes } from '../../wire/xenstore.ts';
import type { Libc } from '../kernel/libc.ts';
import type { Peer, StreamService } from '../kernel/native.ts';

const [POLLIN, POLLOUT] = [1, 4];
const [SOCK_NONBLOCK, SOCK_CLOEXEC] = [0o4000, 0o2000000];
const SIG_DFL = 0n;
const [SIGHUP, SIGINT, SIGTERM] = [1, 2, 15];
const NOTHING = new Uint8Array(0);

/** A connected client. */
interface Client {
  readonly peer: Peer;
  /** Bytes that it has not accepted yet. */
  unsent: Uint8Array;
}

/**
 * Serves all clients, one event after the other, until a signal ends the process.
 * @param lib the C library
 * @param listener a listening socket with O_NONBLOCK
 * @param service serves a new client
 */
export function serveClients(lib: Libc, listener: number, service: StreamService): never {
  for (const signal of [SIGHUP, SIGINT, SIGTERM]) lib.signal(signal, SIG_DFL);
  const clients = new Map<number, Client>();
  for (;;) {
    const watched = watchedFiles(listener, clients);
    lib.poll(watched, watched.length / 2, -1);
    for (let at = 0; at < watched.length; at += 2) {
      const [fd = -1, events = 0] = watched.subarray(at, at + 2);
      // struct pollfd: the wanted events in the lower half of the second number, those that came in the upper half.
      const came = events >>> 16;
      const client = clients.get(fd);
      if (came !== 0 && fd === listener) accept(lib, listener, clients, service);
      if (came === 0 || client === undefined) continue;
      flush(lib, fd, client);
      if ((came & ~POLLOUT) === 0 || take(lib, fd, client)) continue;
      clients.delete(fd);
      lib.close(fd);
      client.peer.close();
    }
  }
}

function watchedFiles(listener: number, clients: ReadonlyMap<number, Client>): Int32Array {
  const pairs = [...clients].flatMap(([fd, { unsent }]) => [fd, POLLIN | (unsent.length > 0 ? POLLOUT : 0)]);
  return new Int32Array([listener, POLLIN, ...pairs]);
}

function accept(lib: Libc, listener: number, clients: Map<number, Client>, service: StreamService): void {
  const fd = lib.accept4(listener, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC);
  // The client has gone again.
  if (fd < 0) return;
  const client: Client = {
    peer: service((bytes) => {
      client.unsent = concatBytes([client.unsent, bytes]);
      flush(lib, fd, client);
    }),
    unsent: NOTHING,
  };
  clients.set(fd, client);
}

/** Passes received bytes to the service; false at the end of the stream, or when the service drops the client. */
function take(lib: Libc, fd: number, { peer }: Client): boolean {
  const buffer = new Uint8Array(16_384);
  const length = Number(lib.read(fd, buffer, buffer.length));
  if (length <= 0) return false;
  try {
    peer.receive(buffer.subarray(0, length));
    return true;
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return false;
  }
}

/** Writes as much as the client accepts now. If it has gone, the next read finds out. */
function flush(lib: Libc, fd: number, client: Client): void {
  if (client.unsent.length === 0) return;
  const written = Number(lib.write(fd, client.unsent, client.unsent.length));
  if (written > 0) client.unsent = client.unsent.subarray(written);
}
