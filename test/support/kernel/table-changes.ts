// Has the kernel carry out lines of nft (on standard input, JSON); prints whether it did. Run by Bun on a test host.

import { readFileSync } from 'node:fs';
import { libcNative } from '../../../lib/system/kernel/native-libc.ts';
import { openSystem } from '../../../lib/system/system.ts';

const lines: string[] = JSON.parse(readFileSync(0, 'utf8'));
process.stdout.write(String(openSystem(libcNative).changeTables?.(lines)));
