// The sandbox's xenstored by libc: serve-xenstore.ts SOCKET, run by Bun.
import { serveXenstore } from '../../../lib/sandbox/xenstored.ts';
import { loadNative } from '../../../lib/system/kernel/load-native.ts';

const [socket = ''] = process.argv.slice(2);
await serveXenstore(await loadNative(), socket);
