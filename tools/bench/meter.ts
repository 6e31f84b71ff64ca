// Times commands by meter.c, the only part of the benchmark that runs while something is being timed.

import { spawnSync } from 'node:child_process';
import { compiled } from './c-program.ts';

const LONGEST_RUN_MS = 15 * 60_000;

/** A command with its environment, which is all that it finds set. */
export interface Job {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a command took. */
export interface Sample {
  /** Milliseconds from the start of its group's first command to its own start. */
  readonly begunMs: number;
  readonly wallMs: number;
  /** User and system time, its children's as well. */
  readonly cpuMs: number;
  /** The largest of its processes, at its largest. */
  readonly peakMb: number;
  readonly status: number;
}

/**
 * Runs groups of commands, one group after the other, the commands of a group at once.
 * @param enter words before a command that run it in other namespaces
 * @param groups the commands
 * @returns a sample for each command, in the groups' form
 * @throws Error when the meter itself fails; a command that fails only shows its status
 */
export function measure(enter: readonly string[], groups: readonly (readonly Job[])[]): Sample[][] {
  const lines = run(enter, groups.map((jobs) => `${jobs.map(jobLine).join('')}!\n`).join(''));
  const samples = lines.map(parseSample);
  return groups.map((jobs) => samples.splice(0, jobs.length));
}

/**
 * Runs commands at once and looks some twenty times a second how much memory all processes have. That takes time, so the
 * commands are not timed.
 * @param enter words before a command that run it in a process namespace of its own
 * @param jobs the commands
 * @returns at most at once in MB, beyond what there was before; what processes share counts once
 * @throws Error when the meter itself fails
 */
export function weigh(enter: readonly string[], jobs: readonly Job[]): number {
  const [line = ''] = run(enter, `${jobs.map(jobLine).join('')}?\n`);
  return Number(line) / 1024;
}

function run(enter: readonly string[], input: string): string[] {
  const [file = '', ...args] = [...enter, compiled('meter')];
  const done = spawnSync(file, args, {
    input,
    encoding: 'utf8',
    timeout: LONGEST_RUN_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (done.status !== 0) throw new Error(`The meter failed (${done.status}): ${done.stderr}`);
  return done.stdout.trim().split('\n');
}

function jobLine({ argv, env }: Job): string {
  const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return `${[...settings, ...argv].join('\t')}\n`;
}

function parseSample(line: string): Sample {
  const [begun = 0, wall = 0, cpu = 0, peak = 0, status = 0] = line.split(' ').map(Number);
  return {
    begunMs: begun / 1000,
    wallMs: wall / 1000,
    cpuMs: cpu / 1000,
    peakMb: peak / 1024,
    status,
  };
}
