import { batches } from '../../../lib/apply/execute.ts';
import { pendingRules } from '../../../lib/plan/filter/pending-rules.ts';
import type { Command } from '../../../lib/plan/step.ts';
import type { PresentPort } from '../../../lib/plan/undo.ts';

interface Device {
  readonly index: number;
  mac: string;
  mtu: number;
  up: boolean;
  master: string | undefined;
  alias: string;
  readonly settings: Map<string, string>;
  altnames: string[];
}

/**
 * A host that lives in memory, as strict as the strictest kernel: a running device can neither be renamed nor given
 * another MAC. Knows the commands of which plans for devices are made; refuses as the kernel does.
 */
export class ModelHost {
  readonly #devices = new Map<string, Device>();
  readonly #rules = new Map<string, string[]>();
  readonly #files = new Map<string, string>();
  #nextIndex = 1;

  /**
   * Puts a device there.
   * @param name what it is called
   * @param more what differs from a fresh device: down, MTU 1500
   */
  device(name: string, more: Partial<Device> = {}): void {
    const fresh = {
      index: this.#nextIndex,
      mac: `02:00:00:00:00:0${this.#nextIndex}`,
      mtu: 1500,
      up: false,
      master: undefined,
    };
    this.#nextIndex = Math.max(this.#nextIndex, more.index ?? 0) + 1;
    this.#devices.set(name, { ...fresh, alias: '', altnames: [], settings: new Map(), ...more });
  }

  rule(tool: 'iptables' | 'ip6tables', text: string): void {
    this.#listOf(tool).push(text);
  }

  file(path: string, text: string): void {
    this.#files.set(path, text);
  }

  /** Name and index of each device. */
  indexes(): Map<string, number> {
    return new Map([...this.#devices].map(([name, device]) => [name, device.index]));
  }

  names(): string[] {
    return [...this.#devices.keys()];
  }

  /** What an undo asks about ports. */
  ports(): PresentPort[] {
    return [...this.#devices].map(([name, { index, up, master }]) => ({ name, index, up, master }));
  }

  get(name: string): Readonly<Device> | undefined {
    return this.#devices.get(name);
  }

  /** Everything there is, in a form that can be compared. */
  state(): unknown {
    const byName = <T>(map: Map<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    const devices = byName(this.#devices).map(([name, device]) => ({
      name,
      ...device,
      altnames: [...device.altnames].sort(),
    }));
    return structuredClone({
      devices,
      rules: byName(this.#rules).filter(([, rules]) => rules.length > 0),
      files: byName(this.#files),
    });
  }

  /**
   * Runs an undo as lib/apply does: `ip` line by line, a firewall restore as a whole; each that fails is passed over.
   * @param commands in order
   */
  force(commands: readonly Command[]): void {
    for (const { tool, items: batch } of batches(commands, (command) => command)) {
      const items = pendingRules(batch, (line) =>
        this.#listOf(line.tool).includes(line.line.slice('-I '.length)),
      );
      const atomic = tool === 'iptables' || tool === 'ip6tables';
      const before = this.#listOf(tool).slice();
      for (const command of items) {
        try {
          this.run(command);
        } catch (thrown) {
          if (!(thrown instanceof Refusal)) throw thrown;
          if (!atomic) continue;
          this.#rules.set(tool, before);
          break;
        }
      }
    }
  }

  /**
   * Runs one command.
   * @throws Refusal when the kernel or the tool would refuse
   */
  run(command: Command): void {
    if (command.tool === 'record') {
      if (command.text === undefined) this.#files.delete(command.path);
      else this.#files.set(command.path, command.text);
    } else if (command.tool === 'write') this.#write(command.path, command.text);
    else if (command.tool === 'ip') this.#ip(command.args);
    else if (command.tool === 'iptables' || command.tool === 'ip6tables')
      this.#restoreLine(command.tool, command.line);
    else throw new Error(`The model knows no ${command.tool}.`);
  }

  /** A device's kernel setting, which goes with the device; those that are 1 are as they were. */
  #write(path: string, text: string): void {
    const [, family = '', name = '', key = ''] =
      /^\/proc\/sys\/net\/(\w+)\/conf\/(.+)\/(\w+)$/.exec(path) ?? [];
    const { settings } = this.#find(name);
    if (text === '1') settings.delete(`${family} ${key}`);
    else settings.set(`${family} ${key}`, text);
  }

  #listOf(tool: string): string[] {
    const rules = this.#rules.get(tool) ?? [];
    this.#rules.set(tool, rules);
    return rules;
  }

  #restoreLine(tool: string, line: string): void {
    const rules = this.#listOf(tool);
    const rule = line.slice('-I '.length);
    if (line.startsWith('-I ')) rules.unshift(rule);
    else if (line.startsWith('-D ')) {
      const at = rules.indexOf(rule);
      if (at < 0) throw new Refusal(`Bad rule: ${rule}`);
      rules.splice(at, 1);
    } else throw new Error(`The model knows no rule line "${line}".`);
  }

  #ip(args: readonly string[]): void {
    const [object, verb, ...rest] = args;
    if (object === 'address' && verb === 'flush') return;
    if (object !== 'link') throw new Error(`The model knows no "ip ${args.join(' ')}".`);
    if (verb === 'add') this.#add(rest);
    else if (verb === 'del') this.#delete(rest[1] ?? '');
    else if (verb === 'set') this.#set(rest[1] ?? '', rest[2] ?? '', rest[3]);
    else if (verb === 'property') this.#property(rest[0] ?? '', rest[2] ?? '', rest[4] ?? '');
    else throw new Error(`The model knows no "ip ${args.join(' ')}".`);
  }

  #add([, name = '']: readonly string[]): void {
    if (this.#taken(name)) throw new Refusal('File exists');
    this.device(name);
  }

  #delete(name: string): void {
    this.#find(name);
    this.#devices.delete(name);
    for (const device of this.#devices.values()) if (device.master === name) device.master = undefined;
  }

  #property(verb: string, name: string, altname: string): void {
    const device = this.#find(name);
    if (verb === 'add') {
      if (this.#taken(altname)) throw new Refusal('File exists');
      device.altnames.push(altname);
    } else {
      if (!device.altnames.includes(altname)) throw new Refusal('No such altname');
      device.altnames = device.altnames.filter((other) => other !== altname);
    }
  }

  #set(name: string, attribute: string, value = ''): void {
    const device = this.#find(name);
    if (attribute === 'up') device.up = true;
    else if (attribute === 'down') device.up = false;
    else if (attribute === 'mtu') device.mtu = Number(value);
    else if (attribute === 'alias') device.alias = value;
    else if (attribute === 'nomaster') device.master = undefined;
    else if (attribute === 'master') {
      this.#find(value);
      device.master = value;
    } else if (attribute === 'address') {
      if (device.up) throw new Refusal('Device or resource busy');
      device.mac = value;
    } else if (attribute === 'name') this.#rename(name, device, value);
    else throw new Error(`The model knows no attribute ${attribute}.`);
  }

  #rename(name: string, device: Device, value: string): void {
    if (device.up) throw new Refusal('Device or resource busy');
    if (this.#taken(value)) throw new Refusal('File exists');
    this.#devices.delete(name);
    this.#devices.set(value, device);
    for (const other of this.#devices.values()) if (other.master === name) other.master = value;
  }

  #find(name: string): Device {
    const device = this.#devices.get(name);
    if (device === undefined) throw new Refusal(`Cannot find device "${name}"`);
    return device;
  }

  #taken(name: string): boolean {
    return (
      this.#devices.has(name) || [...this.#devices.values()].some((device) => device.altnames.includes(name))
    );
  }
}

/** What the kernel or a tool refuses to do. */
export class Refusal extends Error {}
