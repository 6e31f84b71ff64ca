import { settingPath } from '../record/paths.ts';
import { type DeviceMark, type Step, setting } from './step.ts';

/** What lets a device's other end tell this host its routers, addresses and ways (kernel's ip-sysctl). */
const HEARD = [
  'net/ipv6/conf/accept_ra',
  'net/ipv6/conf/autoconf',
  'net/ipv6/conf/accept_redirects',
  'net/ipv4/conf/accept_redirects',
] as const;

/**
 * The kernel settings by which a device hears router advertisements and redirects.
 * @param device the device's name
 */
export function heardPaths(device: string): string[] {
  return HEARD.map((key) => settingPath(key, device));
}

/**
 * Lets a device that guests can send to hear neither router advertisements nor redirects: one guest's advertisement would
 * give this host a default route and an address. It has to stand before the step that brings the device up.
 * @param device the device as it is by then
 * @param now its settings by the paths of its present name; one that the kernel has not got is left out
 * @param present the device's present name
 */
export function unheardSteps(
  device: DeviceMark,
  now: Readonly<Record<string, string | undefined>>,
  present: string,
): Step[] {
  const before = heardPaths(present).map((path) => now[path]);
  return heardPaths(device.name).flatMap((path, i) => {
    const value = before[i];
    if (value === undefined || value === '0') return [];
    return [
      {
        do: setting(path, '0'),
        undo: device.index === 'new' ? [] : [setting(path, value)],
        why: `let no guest tell this host its routes by ${device.name}`,
        device,
      },
    ];
  });
}
