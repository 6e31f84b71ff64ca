import { chmodSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { encodeFrame, FrameDecoder } from '../contract/xenstore-wire.ts';
import { messageOf, XenstoreError } from '../errors.ts';
import type { Store } from './xenstore-requests.ts';
import { XenstoreSession } from './xenstore-session.ts';
import { XenstoreTree } from './xenstore-tree.ts';

/** A xenstore server that runs in this process. */
export interface RunningXenstored {
  /** Drops all clients and removes the socket. */
  close(): Promise<void>;
}

/**
 * Starts a small xenstore server of our own, for a host without Xen. It speaks the protocol of Xen's
 * docs/misc/xenstore.txt, so that xenstore-ls and its kin work with it; permissions are kept, not enforced, since
 * only root can reach the socket and thus everybody is domain 0. It answers from this process's event loop: whoever
 * blocks that (Bun's twin of the native port, a child that is waited for synchronously) must not wait for an answer.
 * @param socketPath the Unix socket to make, in an existing folder
 * @throws XenstoreError when it cannot listen there
 */
export async function startXenstored(socketPath: string): Promise<RunningXenstored> {
  const store: Store = { tree: new XenstoreTree(), domains: new Set() };
  store.tree.make('/tool/xenstored');
  const sessions = new Set<XenstoreSession>();
  const sockets = new Set<Socket>();
  // Asked for when needed: as an import, Bun's compiler would load it at the start of every hook.
  const { createServer } = process.getBuiltinModule('node:net');
  const server = createServer((socket) => {
    sockets.add(socket);
    const session = serve(socket, store, sessions);
    sessions.add(session);
    socket.on('close', () => {
      sockets.delete(socket);
      sessions.delete(session);
    });
  });
  await listen(server, socketPath);
  return {
    close() {
      for (const socket of sockets) {
        socket.destroy();
      }
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const reason = messageOf(error);
      reject(
        new XenstoreError(`The xenstore server of the sandbox cannot listen at ${socketPath}: ${reason}.`),
      );
    });
    server.listen(socketPath, () => {
      chmodSync(socketPath, 0o600);
      resolve();
    });
  });
}

/** Connects a client's socket with a session of its own. */
function serve(socket: Socket, store: Store, sessions: ReadonlySet<XenstoreSession>): XenstoreSession {
  const session = new XenstoreSession(store, sessions, (frame) => socket.write(encodeFrame(frame)));
  const decoder = new FrameDecoder();
  socket.on('data', (piece) => {
    try {
      for (const frame of decoder.push(piece)) {
        session.handle(frame);
      }
    } catch (error) {
      // A message longer than allowed: as in xenstored, this is the end of the connection.
      socket.destroy();
      if (!(error instanceof XenstoreError)) {
        throw error;
      }
    }
  });
  // A client that goes away in the middle of a reply is no concern of the others.
  socket.on('error', () => socket.destroy());
  return session;
}
