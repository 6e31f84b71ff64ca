import { settingPath } from '../record/paths.ts';
import type { DeviceMark, Step } from './step.ts';
import { settingSteps } from './vif/settings.ts';

/**
 * The settings by which whoever sends on a device's link can give this host routers, addresses and routes (kernel's
 * ip-sysctl).
 */
const HEARD = [
  'net/ipv6/conf/accept_ra',
  'net/ipv6/conf/autoconf',
  'net/ipv6/conf/accept_redirects',
  'net/ipv4/conf/accept_redirects',
] as const;

/**
 * The paths of the settings by which a device accepts router advertisements and redirects.
 * @param device the device's name
 */
export function routerSettingPaths(device: string): string[] {
  return HEARD.map((key) => settingPath(key, device));
}

/**
 * Makes a device on which guests can send ignore router advertisements and redirects: otherwise a guest's advertisement
 * would give this host a default route and an address. These steps must come before the one that brings the device up.
 * @param device the device at that time
 * @param now its settings, by the paths of its present name; without those that the kernel does not have
 * @param present the device's present name
 */
export function ignoreRouterSteps(
  device: DeviceMark,
  now: Readonly<Record<string, string | undefined>>,
  present: string,
): Step[] {
  const why = `ignore router advertisements and redirects on ${device.name}`;
  return settingSteps(device, present, now, HEARD, '0', why);
}
