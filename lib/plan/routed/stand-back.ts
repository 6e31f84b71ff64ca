import type { Port } from '../../observe/host/port.ts';
import { settingPath } from '../../record/paths.ts';
import type { Step } from '../step.ts';
import { markOf } from '../vif/device.ts';
import { settingSteps } from '../vif/settings.ts';

/** The settings by which a device's routes are ignored while it has no carrier (kernel's ip-sysctl). */
const IPV4 = 'net/ipv4/conf/ignore_routes_with_linkdown';
const IPV6 = 'net/ipv6/conf/ignore_routes_with_linkdown';

/**
 * The kernel settings by which a vif stands back for its tap.
 * @param name the vif's name, or "default" for the settings of new devices
 */
export function standBackPaths(name: string): string[] {
  return [settingPath(IPV4, name), settingPath(IPV6, name)];
}

/**
 * The steps after which a vif stands back for its tap (docs/contract.md, "vif-route online"). Both devices have routes,
 * and the vif's come first. A vif has no carrier until the guest's own driver connects, and its routes are ignored until
 * then.
 * @param vif the present vif
 * @param name the vif's name when the steps are run
 * @param now the present settings of `standBackPaths`
 */
export function standBackSteps(
  vif: Port,
  name: string,
  now: Readonly<Record<string, string | undefined>>,
): Step[] {
  const why = `ignore the routes of ${name} until the guest's own driver connects`;
  return settingSteps(markOf(vif, name), vif.name, now, [IPV4, IPV6], '1', why);
}

/**
 * The steps after which a vif no longer stands back. They give it the settings of a new device.
 * @param vif the present vif
 * @param now the present settings of `standBackPaths`, of the vif and of new devices
 */
export function standInSteps(vif: Port, now: Readonly<Record<string, string | undefined>>): Step[] {
  const why = `use the routes of ${vif.name} in any case again`;
  return [IPV4, IPV6].flatMap((key) => {
    const value = now[settingPath(key, 'default')] ?? '0';
    return settingSteps(markOf(vif, vif.name), vif.name, now, [key], value, why);
  });
}
