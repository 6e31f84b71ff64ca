import {
  type Act,
  add,
  card,
  offline,
  online,
  remove,
  shell,
  tap,
  tool,
  unplug,
} from '../support/overlap/overlap.ts';
import { type Deed, type DeedKinds, deviceOf, guestsOf } from './deed.ts';
import { type Guest, holds, type Mode, type Model, NETWORK_OF, type Place, withGuest } from './model.ts';
import { addressesOf, DOMIDS, gatewayOf, HOOK_OF, PLACES, SWITCH } from './places.ts';

const NEW: Omit<Guest, 'place' | 'antispoof' | 'vifname'> = { tap: 'none', mode: undefined };

/** QEMU's end of an emulated card goes, whatever the card is called by now. */
const unplugTap = (domid: number): string =>
  `for tap in vif${domid}.0-emu web${domid}-emu; do ip link del dev $tap 2>/dev/null; done; true`;

/** What xenstore says of a guest's card. */
function valuesOf(domid: number, { place, antispoof, vifname }: Guest): Record<string, string> {
  const { v4, v6 } = addressesOf(domid, place);
  return {
    script: `/etc/xen/scripts/${HOOK_OF[place]}`,
    ip: v6 === undefined ? v4 : `${v4} ${v6}`,
    ...(place === 'bridged' ? { bridge: 'xenbr1' } : {}),
    ...(place === 'virtual' ? { bridge: 'vmnet8' } : {}),
    ...(place === 'switched' ? { bridge: `${SWITCH}.10` } : {}),
    ...(antispoof === undefined ? {} : { antispoof }),
    ...(vifname ? { vifname: `web${domid}` } : {}),
  };
}

/** The guest's own settings, once it has its card. */
function wired(domid: number, place: Place): Act {
  const { v4, v6 } = addressesOf(domid, place);
  const [router, router6] = gatewayOf(domid, place);
  const lines = [
    'link set eth0 up',
    `address add ${v4}/32 dev eth0`,
    `route add ${router} dev eth0`,
    `route add default via ${router} dev eth0`,
    ...(v6 === undefined || router6 === undefined
      ? []
      : [
          `address add ${v6}/128 dev eth0 nodad`,
          `route add ${router6} dev eth0`,
          `route add default via ${router6} dev eth0`,
        ]),
  ];
  return shell(`printf '%s\\n' ${lines.map((line) => `'${line}'`).join(' ')} | ip -n guest${domid} -batch -`);
}

/**
 * A guest comes.
 * @param model the host
 * @param domid its domain
 * @param choice where to, and with which settings
 */
export function comes(
  model: Model,
  domid: number,
  choice: Pick<Guest, 'place' | 'antispoof' | 'vifname'>,
): Deed {
  const guest = { ...NEW, ...choice };
  const after = withGuest(model, domid, guest);
  const [goesAgain] = goes(after, domid, guest);
  return {
    what: `guest ${domid} comes, ${guest.place}, antispoof ${guest.antispoof ?? 'unset'}${guest.vifname ? ', with a vifname' : ''}`,
    about: `guest ${domid}`,
    acts: [
      card(domid, valuesOf(domid, guest)),
      wired(domid, guest.place),
      online(domid, HOOK_OF[guest.place]),
    ],
    later: [],
    model: after,
    ...(goesAgain === undefined ? {} : { opposite: goesAgain }),
  };
}

/** A guest goes, with its devices still there and without. */
function goes(model: Model, domid: number, { place, tap: emulated }: Guest): Deed[] {
  const vif = HOOK_OF[place];
  const taps = emulated === 'added' ? [remove(domid, vif)] : [];
  const gone = { about: `guest ${domid}`, model: withGuest(model, domid, undefined), isLast: true } as const;
  return [
    {
      ...gone,
      what: `guest ${domid} goes`,
      acts: [...taps, offline(domid, vif)],
      later: [shell(unplugTap(domid)), unplug(domid)],
    },
    {
      ...gone,
      what: `guest ${domid} goes, its devices first`,
      acts: [
        shell(`${unplugTap(domid)}; ip netns exec guest${domid} ip link del dev eth0`),
        ...taps,
        offline(domid, vif),
      ],
      later: [unplug(domid)],
    },
  ];
}

function emulatedComes(model: Model, domid: number, guest: Guest): Deed {
  const after = withGuest(model, domid, { ...guest, tap: 'added' });
  return {
    what: `guest ${domid} gets an emulated card`,
    about: `guest ${domid}`,
    acts: [tap(domid), add(domid, HOOK_OF[guest.place])],
    later: [],
    model: after,
    opposite: emulatedGoes(after, domid, guest),
  };
}

function emulatedGoes(model: Model, domid: number, guest: Guest): Deed {
  return {
    what: `guest ${domid} loses its emulated card`,
    about: `guest ${domid}`,
    acts: [remove(domid, HOOK_OF[guest.place])],
    later: [shell(unplugTap(domid))],
    model: withGuest(model, domid, { ...guest, tap: 'none' }),
    isLast: true,
  };
}

function inMode(model: Model, domid: number, guest: Guest, mode: Mode): Deed {
  return {
    what: `guest ${domid} is ${mode}`,
    about: `guest ${domid}`,
    acts: [tool('vif', deviceOf(domid, guest), mode)],
    later: [],
    model: withGuest(model, domid, { ...guest, mode }),
  };
}

function hasNetwork({ networks, hasSwitch }: Model, place: Place): boolean {
  if (place === 'switched') return hasSwitch;
  const network = NETWORK_OF[place];
  return network === undefined || networks[network] !== undefined;
}

export const GUEST_KINDS: DeedKinds = {
  'a guest comes': {
    weight: 12,
    all: (model) =>
      DOMIDS.filter((domid) => model.guests[domid] === undefined).flatMap((domid) =>
        PLACES.filter((place) => hasNetwork(model, place)).flatMap((place) =>
          // A switch in user space cannot hold its guests.
          (place === 'switched' ? [undefined] : ([undefined, 'strict'] as const)).flatMap((antispoof) =>
            [false, true].map((vifname) => comes(model, domid, { place, antispoof, vifname })),
          ),
        ),
      ),
  },
  'a guest goes': {
    weight: 8,
    all: (model) => guestsOf(model).flatMap(([domid, guest]) => goes(model, domid, guest)),
  },
  'an online again': {
    weight: 3,
    all: (model) =>
      guestsOf(model).map(([domid, { place }]) => ({
        what: `guest ${domid} online again`,
        about: `guest ${domid}`,
        acts: [online(domid, HOOK_OF[place])],
        later: [],
        model,
      })),
  },
  'an emulated card': {
    weight: 4,
    all: (model) =>
      guestsOf(model)
        .filter(([, { tap: emulated }]) => emulated === 'none')
        .map(([domid, guest]) => emulatedComes(model, domid, guest)),
  },
  'an emulated card goes': {
    weight: 3,
    all: (model) =>
      guestsOf(model)
        .filter(([, { tap: emulated }]) => emulated === 'added')
        .map(([domid, guest]) => emulatedGoes(model, domid, guest)),
  },
  'a mode': {
    weight: 5,
    all: (model) =>
      guestsOf(model)
        .filter(([, guest]) => holds(model, guest) === 'strict')
        .flatMap(([domid, guest]) =>
          (['locked', 'unlocked', 'disabled'] as const).map((mode) => inMode(model, domid, guest, mode)),
        ),
  },
};
