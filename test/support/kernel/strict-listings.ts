// Lists the strict table by messages to the kernel, and by nft, and prints both; run by Bun on a test host.

import { listStrictTable, type StrictListing } from '../../../lib/observe/filter/strict-listing.ts';
import { libcNative } from '../../../lib/system/kernel/native-libc.ts';
import { openSystem } from '../../../lib/system/system.ts';

const { listTable, ...others } = openSystem(libcNative);

const asked: string[] = [];
const byKernel = listStrictTable({
  ...others,
  listTable(table, sets) {
    const listed = listTable?.(table, sets);
    if (listed !== undefined) asked.push(table);
    return listed;
  },
});

process.stdout.write(
  JSON.stringify({ asked, byKernel: plain(byKernel), byNft: plain(listStrictTable(others)) }),
);

function plain(listing: StrictListing | undefined): unknown {
  if (listing === undefined) return undefined;
  const { chains, elements, common, verdicts } = listing;
  return {
    chains: [...chains].sort(),
    elements: [...elements].map(([port, own]) => [port, [...own].sort()]).sort(),
    common: [...common].sort(),
    verdicts: [...verdicts].sort(),
  };
}
