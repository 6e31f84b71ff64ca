import type { Native } from '../system/kernel/native.ts';
import { encodeFrame, FrameDecoder } from '../wire/xenstore.ts';
import type { Store } from './xenstore-requests.ts';
import { XenstoreSession } from './xenstore-session.ts';
import { XenstoreTree } from './xenstore-tree.ts';

/**
 * Runs a small xenstore server of our own, for a host without Xen, until a signal ends this process. It speaks the
 * protocol of Xen's docs/misc/xenstore.txt, so that tools such as xenstore-ls work with it. Permissions are stored but
 * not enforced: only root can reach the socket, so every client is domain 0.
 * @param native the way to the socket
 * @param socketPath the Unix socket to make, in an existing folder
 * @throws XenNetworkError when it cannot listen there
 */
export function serveXenstore(native: Pick<Native, 'serveStream'>, socketPath: string): Promise<never> {
  const store: Store = { tree: new XenstoreTree(), domains: new Set() };
  store.tree.make('/tool/xenstored');
  const sessions = new Set<XenstoreSession>();
  return native.serveStream(socketPath, (send) => {
    const session = new XenstoreSession(store, sessions, (frame) => send(encodeFrame(frame)));
    const decoder = new FrameDecoder();
    sessions.add(session);
    return {
      // A message that is too long throws, which ends the connection, as in xenstored.
      receive(bytes) {
        for (const frame of decoder.push(bytes)) session.handle(frame);
      },
      close: () => void sessions.delete(session),
    };
  });
}
