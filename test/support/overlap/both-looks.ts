// Takes a snapshot as all tests do and as the driver of overlaps does, and prints both; run by Bun on a test host.

import { Namespace } from '../hosts/namespace.ts';
import { strictElementsOf } from '../hosts/strict-host.ts';
import { snapshotAndParts, takeSnapshot } from '../models/snapshot.ts';
import { look } from './look.ts';

const here = new Namespace([]);
const { strict } = look(here, false);
const usual = { ...takeSnapshot(here), strict: strictElementsOf(here.ok('nft', '-j', 'list', 'ruleset')) };
process.stdout.write(JSON.stringify([usual, { ...snapshotAndParts(here, '').snapshot, strict }]));
