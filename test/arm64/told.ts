import { DIFFERENCES, NOT_BY_ENGINE, NOT_TRIED } from './differences.ts';

/** Prints at the end what qemu-user does not carry, and what is not tried under it. */
export function teardown(): void {
  const lines = DIFFERENCES.flatMap(({ why, tests }) =>
    Object.entries(tests).flatMap(([file, names]) => names.map((name) => `${file} > ${name}: ${why}`)),
  );
  for (const line of lines) process.stdout.write(`differs under qemu-user: ${line}\n`);
  for (const [what, why] of Object.entries({ ...NOT_TRIED, ...NOT_BY_ENGINE }))
    process.stdout.write(`not tried: ${what}: ${why}\n`);
}
