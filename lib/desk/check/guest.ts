import { quote } from '../../text.ts';
import type { GuestFile } from '../../wire/config/guest-file.ts';
import type { XlSetting } from '../../wire/config/xl-config.ts';
import { checkCard } from './card.ts';
import { type Finding, findingsOf } from './finding.ts';
import type { HostFacts } from './host-facts.ts';

/**
 * Checks a guest's file by itself.
 * @param path the file's path
 * @param file the file's content
 * @param facts the host on which the guest is to run
 */
export function checkGuest(path: string, file: GuestFile, facts: HostFacts): Finding[] {
  const findings = findingsOf(path);
  for (const fault of file.faults) findings.fault(fault);
  const vifs = file.settings.filter(({ name }) => name === 'vif');
  const [last, ...before] = [...vifs].reverse();
  if (last !== undefined && !last.adds)
    for (const setting of before)
      findings.warning(
        setting,
        `vif is set again in line ${last.line}, and xl takes the last: these cards do not come.`,
      );
  for (const place of file.strange)
    findings.error(place, "A card is a text in the list of vif: vif = [ 'bridge=xenbr0' ].");
  for (const setting of file.settings.filter(looksLikeVif))
    findings.warning(setting, `${quote(setting.name)} is no setting of cards; did you mean vif?`);
  for (const card of file.cards) checkCard({ card, isHvm: file.isHvm, facts, findings });
  return [...findings.all];
}

function looksLikeVif({ name, value }: XlSetting): boolean {
  if (name === 'vif' || !/v.*f|nic|net/.test(name) || value.kind !== 'list') return false;
  return value.items.some((item) => item.kind === 'atom' && /(^|,)\s*(mac|bridge|vifname)=/.test(item.text));
}
