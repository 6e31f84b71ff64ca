import { type Act, online, shell, tool } from '../support/overlap/overlap.ts';
import { type Deed, type DeedKinds, deviceOf, guestsOf } from './deed.ts';
import { ADMIN_RULES } from './harm.ts';
import { isPort, type Model } from './model.ts';
import { restartsOf } from './network-deeds.ts';
import { HOOK_OF } from './places.ts';

const mishap = (model: Model, what: string, acts: readonly Act[], later: readonly Act[]): Deed => ({
  what,
  about: 'the host',
  acts,
  later,
  model,
  isMishap: true,
});

/** All records of a card, the emulated one's among them. */
const noRecords = (domid: number, name: string): Act =>
  shell(
    `cd /run/xen-network; rm -f vif/vif${domid}.0 vif/vif${domid}.0-emu strict/vif${domid}.0 strict/vif${domid}.0-emu strict/${name} strict/${name}-emu`,
  );

const renamed = (from: string, to: string): Act => shell(`ip link set dev ${from} name ${to}`);

/** What somebody does by hand, or what happens, and what then mends it: the host must be as if nothing had been. */
export const MISHAPS: DeedKinds = {
  "a card's records are removed": {
    weight: 2,
    all: (model) =>
      guestsOf(model)
        .filter(([, { tap }]) => tap === 'none')
        .map(([domid, guest]) =>
          mishap(
            model,
            `the records of guest ${domid} are removed`,
            [noRecords(domid, deviceOf(domid, guest))],
            [online(domid, HOOK_OF[guest.place]), tool('refilter')],
          ),
        ),
  },
  'a card is renamed by hand': {
    weight: 2,
    all: (model) =>
      guestsOf(model).map(([domid, guest]) => {
        const name = deviceOf(domid, guest);
        return mishap(
          model,
          `the card of guest ${domid} is renamed by hand, and back`,
          [renamed(name, `lost${domid}`), tool('refilter'), renamed(`lost${domid}`, name)],
          [tool('refilter'), online(domid, HOOK_OF[guest.place])],
        );
      }),
  },
  'a card leaves its bridge': {
    weight: 1,
    all: (model) =>
      guestsOf(model)
        .filter(([, guest]) => isPort(guest))
        .map(([domid, guest]) =>
          mishap(
            model,
            `the card of guest ${domid} is taken off its bridge by hand`,
            [shell(`ip link set dev ${deviceOf(domid, guest)} nomaster`)],
            [online(domid, HOOK_OF[guest.place])],
          ),
        ),
  },
  'a bridge is removed by hand': {
    weight: 2,
    all: (model) =>
      restartsOf(model).map(([device, acts]) =>
        mishap(model, `${device} is removed by hand`, [shell(`ip link del dev ${device}`)], acts),
      ),
  },
  'locks are removed': {
    weight: 1,
    all: (model) => [
      mishap(
        model,
        'all locks are removed',
        [shell('rm -rf /run/xen-network/lock /run/xen-hotplug')],
        [tool('refilter')],
      ),
    ],
  },
  'the firewall is reloaded': {
    weight: 1,
    all: (model) => [
      mishap(
        model,
        "the firewall is flushed, and the administrator's rules loaded",
        [
          shell('nft flush ruleset'),
          shell(ADMIN_RULES.map((name) => `${name}-restore </etc/${name}.rules`).join(' && ')),
        ],
        [tool('refilter')],
      ),
    ],
  },
};
