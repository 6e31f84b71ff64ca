// The parts of a runtime that the program needs besides the language, made from the engine's functions. The build puts
// this module before all others.

import './engine.ts';

type Task = () => void;
type Handler = (name: string) => void;

interface Timer {
  readonly due: number;
  readonly task: Task;
}

const SIGNALS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGALRM: 14, SIGTERM: 15 };

const handlers = new Map<number, { readonly name: string; readonly call: Handler }[]>();
const timers = new Map<number, Timer>();
let lastTimer = 0;

function handleSignals(): void {
  for (const number of engine.takeSignals())
    for (const { name, call } of [...(handlers.get(number) ?? [])]) call(name);
}

function turn(): boolean {
  handleSignals();
  const [first] = [...timers].sort(([, a], [, b]) => a.due - b.due);
  if (first === undefined) return false;
  const [id, { due, task }] = first;
  const rest = due - engine.now();
  if (rest > 0) {
    engine.wait(Math.ceil(rest));
    return true;
  }
  timers.delete(id);
  task();
  return true;
}

function setTimer(task: Task, ms: number): number {
  lastTimer += 1;
  timers.set(lastTimer, { due: engine.now() + ms, task });
  return lastTimer;
}

function on(name: string, call: Handler): typeof program {
  const number = SIGNALS[name];
  if (number === undefined) throw new Error(`There is no handling of ${name}.`);
  handlers.set(number, [...(handlers.get(number) ?? []), { name, call }]);
  engine.catchSignal(number);
  return program;
}

function once(name: string, call: Handler): typeof program {
  let done = false;
  return on(name, (which) => {
    if (!done) {
      done = true;
      call(which);
    }
  });
}

/** What only a call knows; a module that asks for it while it is loaded must not be in the snapshot. */
function known<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`A module asks for process.${name} while it is loaded.`);
  return value;
}

const program = {
  get argv(): string[] {
    const [name = '', ...words] = known(engine.argv, 'argv');
    return [name, '', ...words];
  },
  get argv0(): string {
    return known(engine.argv, 'argv0')[0] ?? '';
  },
  get env(): Record<string, string> {
    return known(engine.env, 'env');
  },
  get pid(): number {
    return known(engine.pid, 'pid');
  },
  versions: {},
  exitCode: 0,
  get execPath(): string {
    return engine.path();
  },
  on,
  once,
  exit(status?: number): never {
    return engine.exit(status ?? program.exitCode);
  },
};

class Encoder {
  encode(text: string): Uint8Array {
    return new Uint8Array(engine.encode(text));
  }
}

class Decoder {
  decode(bytes: Uint8Array): string {
    return engine.decode(bytes);
  }
}

engine.turn = turn;
// The engine's own would begin with the snapshot's seed in every call.
Object.assign(Math, { random: engine.random });
Object.assign(globalThis, {
  process: program,
  performance: { now: engine.now },
  TextEncoder: Encoder,
  TextDecoder: Decoder,
  queueMicrotask: (task: Task) => void Promise.resolve().then(task),
  setImmediate: (task: Task) => setTimer(task, 0),
  setTimeout: setTimer,
  clearTimeout: (id: number) => timers.delete(id),
});
