import { concatBytes } from '../contract/xenstore-wire.ts';
import { XenNetworkError } from '../errors.ts';
import { libcOpenFiles } from './files-libc.ts';
import { AF_UNIX, CallError, checked, cString, libc, unixAddress } from './libc.ts';
import type { Peer, StreamService } from './native.ts';
import { errnoWords, OPEN } from './native-errors.ts';

const SOCK_STREAM = 1;
const [POLLIN, POLLOUT] = [1, 4];
const QUEUE = 64;
const SIG_DFL = 0n;
const SIGNALS = [1, 2, 15];
const NOTHING = new Uint8Array(0);

/** A client under way. */
interface Client {
  readonly peer: Peer;
  /** What it has not taken yet. */
  unsent: Uint8Array;
}

/**
 * Serves a Unix stream socket that only root can reach, one step after the other; only a signal ends it.
 * @param path the socket to make, in an existing folder
 * @param service what is done for each client
 * @throws XenNetworkError when it cannot listen there
 */
export async function serveStreamByLibc(path: string, service: StreamService): Promise<never> {
  const lib = libc();
  for (const signal of SIGNALS) lib.signal(signal, SIG_DFL);
  const listener = listen(path);
  const clients = new Map<number, Client>();
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const watched = watchedFiles(listener, clients);
    lib.poll(watched, watched.length / 2, -1);
    for (let at = 0; at < watched.length; at += 2) {
      const [fd = -1, events = 0] = watched.subarray(at, at + 2);
      // struct pollfd: what is waited for in the lower half of the second number, what came in the upper one.
      const came = events >>> 16;
      if (came === 0) continue;
      if (fd === listener) {
        accept(listener, clients, service);
        continue;
      }
      const client = clients.get(fd);
      if (client === undefined) continue;
      const stays = (came & ~POLLOUT) === 0 || take(fd, client, buffer);
      if (stays && flush(fd, client)) continue;
      clients.delete(fd);
      libcOpenFiles.close(fd);
      client.peer.close();
    }
  }
}

function listen(path: string): number {
  const lib = libc();
  const address = unixAddress(path);
  try {
    const fd = checked(lib.socket(AF_UNIX, SOCK_STREAM | OPEN.closeOnExec | OPEN.nonBlocking, 0));
    checked(lib.bind(fd, address, address.length));
    // Nobody can connect before it listens.
    checked(lib.chmod(cString(path), 0o600));
    checked(lib.listen(fd, QUEUE));
    return fd;
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    throw new XenNetworkError(`Nothing can listen at ${path}: ${errnoWords(thrown)}.`, { cause: thrown });
  }
}

function watchedFiles(listener: number, clients: ReadonlyMap<number, Client>): Int32Array {
  const pairs = [...clients].flatMap(([fd, { unsent }]) => [fd, POLLIN | (unsent.length > 0 ? POLLOUT : 0)]);
  return new Int32Array([listener, POLLIN, ...pairs]);
}

function accept(listener: number, clients: Map<number, Client>, service: StreamService): void {
  const fd = libc().accept4(listener, null, null, OPEN.closeOnExec | OPEN.nonBlocking);
  // It has gone again.
  if (fd < 0) return;
  const client: Client = {
    peer: service((bytes) => {
      client.unsent = concatBytes([client.unsent, bytes]);
      flush(fd, client);
    }),
    unsent: NOTHING,
  };
  clients.set(fd, client);
}

/** Lets the service have what has come; false at the end of the stream, or when the service drops the client. */
function take(fd: number, { peer }: Client, buffer: Uint8Array): boolean {
  const length = Number(libc().read(fd, buffer, buffer.length));
  if (length <= 0) return false;
  try {
    peer.receive(buffer.slice(0, length));
    return true;
  } catch (thrown) {
    if (!(thrown instanceof XenNetworkError)) throw thrown;
    return false;
  }
}

/** Writes as much as the client takes now; false when it has gone. */
function flush(fd: number, client: Client): boolean {
  if (client.unsent.length === 0) return true;
  try {
    client.unsent = client.unsent.subarray(libcOpenFiles.write(fd, client.unsent));
    return true;
  } catch (thrown) {
    if (!(thrown instanceof CallError)) throw thrown;
    return thrown.code === 'EAGAIN';
  }
}
