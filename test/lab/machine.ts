import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, createWriteStream, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const DOM0_MIB = 1024;
const PROCESSORS = 2;

/** A machine's place on a cable between two, which is a hub for all cards of both. */
export interface Place {
  /** The first machine has to be started before the second. */
  readonly number: 1 | 2;
  /** The socket that is the cable; undefined where the machine is alone. */
  readonly cable?: string;
}

/** What a machine has, and where it is kept. */
export interface MachineParts {
  /** The folder with what image/build.sh makes. */
  readonly images: string;
  /** Dom0's own disk, and the one with this run's files. Nobody else needs them: they are removed at once. */
  readonly disks: readonly [string, string];
  /** A folder that dom0 may mount, to read it, by the name "project". */
  readonly shared: string;
  /** In MiB. */
  readonly memory: number;
  /** Where the console is kept. */
  readonly log: string;
  readonly place: Place;
}

/** A machine that QEMU plays, with Xen and dom0 on it. */
export interface Machine {
  /** Types a line at dom0's console. */
  readonly type: (line: string) => void;
  /** Ends with the machine. */
  readonly off: Promise<void>;
  readonly kill: () => void;
}

/** What Xen says when dom0 has it reset the machine. */
const RESET = /Hardware Dom0 shutdown: rebooting machine/;

/**
 * Starts QEMU without hardware virtualisation, so that any x86-64 machine will do; and again, with the same disks, when dom0
 * resets the machine: Xen does not start a second time in QEMU 7.2's.
 * @param parts what the machine has
 * @param heard is called with every line of the console
 */
export function startMachine(parts: MachineParts, heard: (line: string) => void): Machine {
  const disks = parts.disks.map((disk) => openSync(disk, 'r+'));
  for (const disk of parts.disks) rmSync(disk);
  const file = createWriteStream(parts.log);
  let running: ChildProcess | undefined;
  let killed = false;
  const boot = async (): Promise<void> => {
    let reset = false;
    const [own, payload] = disks;
    // When this process dies, however, QEMU dies with it.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemu(parts)], {
      stdio: ['pipe', 'pipe', 'inherit', own, payload],
    });
    running = child;
    await follow(child, (line) => {
      reset ||= RESET.test(line);
      file.write(`${line}\n`);
      heard(line);
    });
    if (reset && !killed) await boot();
  };
  const kill = () => {
    killed = true;
    running?.kill('SIGKILL');
  };
  process.once('disconnect', kill); // a vitest that is killed leaves this process, its worker, behind
  const off = boot().finally(() => {
    process.off('disconnect', kill);
    file.end();
    for (const disk of disks) closeSync(disk);
  });
  return { type: (line) => void running?.stdin?.write(`${line}\n`), off, kill };
}

function follow(child: ChildProcess, heard: (line: string) => void): Promise<void> {
  child.stdin?.on('error', () => undefined); // a machine that is off hears nothing
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text.replaceAll('\r', '')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) heard(line);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', () => resolve());
  });
}

function qemu({ images, shared, memory, place }: MachineParts): string[] {
  // QEMU 7.2 stops a PV dom0 at its first return to user mode where SMAP is on, tells Xen of an intercepted RDTSC where
  // an HVM guest ran RDTSCP, and now and then denies an HVM or PVH guest the AVX that it has.
  const cpu = 'max,-smap,-rdtscp,-xsave,-avx,-avx2';
  const machine = ['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', cpu];
  const size = ['-m', String(memory), '-smp', String(PROCESSORS)];
  const screenless = ['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-monitor', 'none'];
  // With two processors QEMU has dom0 wait for itself: each change of a page table stops both.
  // Defences against attacks on the processor cost time and protect nobody here.
  const xen =
    `console=com1 com1=115200,8n1 dom0_mem=${DOM0_MIB}M,max:${DOM0_MIB}M dom0_max_vcpus=1 ` +
    'sched=credit noreboot=1 loglvl=info guest_loglvl=warning spec-ctrl=no xpti=no pv-l1tf=no';
  const linux = 'console=hvc0 rw net.ifnames=0 mitigations=off panic=1 loglevel=4';
  const modules = `${join(images, 'vmlinux')} ${linux},${join(images, 'initrd.img')}`;
  // Dom0's and this run's, by the descriptors that startMachine gives; and another like dom0's for a driver domain.
  const disks = ['/proc/self/fd/3', '/proc/self/fd/4', join(images, 'dom0.img')].map((file, i) => [
    '-drive',
    `file=${file},format=raw,if=virtio,${i < 2 ? 'cache=unsafe' : 'snapshot=on'}`,
  ]);
  const share = `local,path=${shared},mount_tag=project,security_model=none,readonly=on,multidevs=remap`;
  // Three cards on one switch; which is which is in dom0/main.sh.
  const cards = [0, 1, 2].map((card) => [
    '-netdev',
    `hubport,id=port${card},hubid=0`,
    '-device',
    `virtio-net-pci,netdev=port${card},mac=52:54:00:00:0${place.number - 1}:0${card}`,
  ]);
  const boot = ['-serial', 'stdio', '-kernel', join(images, 'xen'), '-append', xen, '-initrd', modules];
  const devices = [...disks.flat(), '-virtfs', share, ...cards.flat(), ...cableTo(place)];
  return [...machine, ...size, ...screenless, ...boot, ...devices];
}

function cableTo({ number, cable }: Place): string[] {
  if (cable === undefined) return [];
  const end = `stream,id=cable,server=${number === 1 ? 'on' : 'off'},addr.type=unix,addr.path=${cable}`;
  return ['-netdev', end, '-netdev', 'hubport,id=cable0,hubid=0,netdev=cable'];
}
