import type { System } from '../../../lib/system/system.ts';

/**
 * A system that, once it is dead, does nothing more: what a killed program does.
 * @param system what it is until then
 * @param isDead whether it is
 */
export function mortal(system: System, isDead: () => boolean): System {
  return new Proxy(system, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown => {
        if (isDead()) throw new Error('The program is dead.');
        return Reflect.apply(member, target, args);
      };
    },
  });
}
