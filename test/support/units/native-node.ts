// Stands in for lib/system/node/native-node.ts in tests that the compiled program's engine runs.

export { libcNative as nodeNative } from '../../../lib/system/kernel/native-libc.ts';
