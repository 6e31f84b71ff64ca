// `npm run soak -- MINUTES` lets random things happen on a host for so long; `npm run soak -- --seed N --acts K` repeats
// the first K of a run.

import { parseArgs } from 'node:util';
import { soak } from './run.ts';

const A_RUN = 60;
const NOT_TRIED = `Not tried here:
- a clock that is stepped while hooks run: the time of day is the whole machine's, and a time namespace has a monotonic clock of its
  own only from its first process on, so that neither can be stepped for one host. The Xen lab's scenario clock
  steps that of a machine.
- antispoof=strict for guests of Open vSwitch: a machine's kernel may lack its module, and a switch in user space holds nobody; test/netns
  has a stand-in for it.
`;
const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, acts: { type: 'string' } },
  allowPositionals: true,
});
const minutes = Number(positionals[0] ?? (values.seed === undefined ? '10' : '1440'));
const numbers = [minutes, Number(values.seed ?? 0), Number(values.acts ?? A_RUN)];
if (!numbers.every((number) => Number.isFinite(number) && number >= 0)) {
  process.stderr.write('Usage: npm run soak -- [MINUTES] [--seed N] [--acts K]\n');
  process.exit(2);
}
process.stdout.write(NOT_TRIED);
const end = performance.now() + minutes * 60_000;
let [runs, acts, looks, harmed] = [0, 0, 0, 0];
do {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  process.stdout.write(`seed ${seed}\n`);
  const outcome = await soak({
    seed,
    items: Number(values.acts ?? A_RUN),
    mayGoOn: () => performance.now() < end,
    tell: (line) => process.stdout.write(`  ${line}\n`),
  });
  runs++;
  acts += outcome.done;
  looks += outcome.looks;
  harmed += outcome.harmed;
  if (outcome.wrong.length > 0) {
    process.stdout.write(
      `${outcome.wrong.join('\n')}\nTo repeat it: npm run soak -- --seed ${seed} --acts ${outcome.done}\n`,
    );
    process.exit(1);
  }
} while (values.seed === undefined && performance.now() < end);
process.stdout.write(
  `No difference: ${runs} runs, ${acts} acts, ${harmed} of them disturbed, the host looked at ${looks} times.\n`,
);
