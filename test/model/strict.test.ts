import { describe, expect, test } from 'vitest';
import { type StrictGuest, strictBase, strictElements, strictExtras } from '../../lib/filter/strict.ts';
import { elementLine } from '../../lib/filter/strict-elements.ts';
import type { Prefix } from '../../lib/request/addresses.ts';
import { parseAddressList } from '../../lib/request/addresses.ts';
import { falseIdentity } from '../support/frames/false-identity.ts';
import { honestFrames } from '../support/frames/honest.ts';
import { randomFrames } from '../support/frames/random.ts';
import type { Identity } from '../support/frames/sender.ts';
import { NftModel } from '../support/models/nft-model.ts';
import { pick, type Random, randomNumbers } from '../support/random.ts';

function modelOf(guests: readonly StrictGuest[]): NftModel {
  const elements = guests.flatMap(strictElements);
  const add = elements.map((element) => elementLine('add', element));
  return new NftModel([...strictBase(), ...strictExtras(elements), ...add]);
}

/** Guests whose addresses lie close together, as neighbours' do. */
function randomGuests(random: Random): StrictGuest[] {
  return Array.from({ length: 2 + random(4) }, (_, i) => {
    const four = () => `192.0.2.${random(16)}${pick(random, ['', '', '/31', '/28', '/30'])}`;
    const six = () => `2001:db8::${random(16).toString(16)}${pick(random, ['', '', '/127', '/124', '/64'])}`;
    const list = Array.from({ length: random(4) }, () => (random(2) === 0 ? four() : six()));
    return {
      port: pick(random, [`vif${i + 1}.0`, `web${i}`, `vif${i + 1}.0-emu`]),
      place: 'bridged',
      mac: `00:16:3e:00:0${i}:00`,
      addresses: parseAddressList(list.join(' ')),
      mode: 'locked',
      vlans: pick(random, [
        [],
        [],
        [
          { from: 10, to: 10 + random(3) },
          { from: 100, to: 100 },
        ],
      ]),
    };
  });
}

/** Tags of a guest's own and next to them; none for a guest without. */
const tagsNear = ({ vlans = [] }: StrictGuest): number[] =>
  vlans.length === 0 ? [] : [0, 9, 10, 11, 12, 13, 100];

const firstOf = (addresses: readonly Prefix[], family: 4 | 6, otherwise: string): string =>
  addresses.find((prefix) => prefix.family === family)?.address ?? otherwise;

const identityOf = ({ mac, addresses }: StrictGuest): Identity => ({
  mac,
  v4: firstOf(addresses, 4, '192.0.2.99'),
  v6: firstOf(addresses, 6, '2001:db8::99'),
});

describe('for random guests and frames', () => {
  test('no frame passes by which a guest gives itself out to be another', () => {
    const random = randomNumbers(4);
    let passed = 0;
    for (let turn = 0; turn < 60; turn++) {
      const guests = randomGuests(random);
      const model = modelOf(guests);
      for (const guest of guests) {
        const other = guests.find((each) => each !== guest) ?? guest;
        for (const frame of randomFrames(
          identityOf(guest),
          identityOf(other),
          150,
          random(1 << 30),
          tagsNear(guest),
        )) {
          if (model.fate(frame, guest.port).verdict === 'drop') continue;
          passed++;
          expect({ frame, wrong: falseIdentity(frame, guest) }).toEqual({ frame, wrong: [] });
        }
      }
    }
    expect(passed).toBeGreaterThan(1000);
  });

  test('what one guest may send is what no guest beside it changes', () => {
    const random = randomNumbers(5);
    for (let turn = 0; turn < 20; turn++) {
      const guests = randomGuests(random);
      const [guest, other] = guests;
      if (guest === undefined || other === undefined) continue;
      const [alone, together] = [modelOf([guest]), modelOf(guests)];
      for (const frame of randomFrames(identityOf(guest), identityOf(other), 100, random(1 << 30)))
        expect(together.fate(frame, guest.port)).toEqual(alone.fate(frame, guest.port));
    }
  });

  test('nothing of theirs is left once their elements are taken out', () => {
    const random = randomNumbers(6);
    const guests = randomGuests(random);
    const model = modelOf(guests);
    const [first, ...rest] = guests;
    if (first === undefined) return expect.unreachable();
    model.feed(strictElements(first).map((element) => elementLine('delete', element)));
    const frames = randomFrames(identityOf(first), identityOf(first), 100);
    // A port that the filter does not know is nobody's business here, as an uplink's.
    expect(frames.map((frame) => model.fate(frame, first.port).verdict)).toEqual(frames.map(() => 'accept'));
    for (const guest of rest) expect(model.fate(frames[0] ?? '', guest.port).verdict).toBe('drop');
  });
});

describe('connection tracking', () => {
  const guest = (n: number, untrackedBut?: readonly string[]): StrictGuest => ({
    port: `vif${n}.0`,
    place: 'bridged',
    mac: `00:16:3e:00:00:0${n}`,
    addresses: [],
    mode: 'locked',
    untrackedBut,
  });
  const HOST = '02:00:00:00:00:01';
  const model = modelOf([guest(1, [HOST]), guest(2)]);
  const to = (target: string, frame: string) => target.replaceAll(':', '') + frame.slice(12);
  const untracked = (frame: string, port: string) => model.fate(frame, port, 'untrack').untracked;
  const ping = honestFrames(identityOf(guest(1)))['an IPv4 ping'] ?? '';

  test('leaves out what the guest sends and is sent, but not what goes to the host', () => {
    expect(untracked(to('02:00:00:00:00:fa', ping), 'vif1.0')).toBe(true);
    expect(untracked(to('ff:ff:ff:ff:ff:ff', ping), 'vif1.0')).toBe(true);
    expect(untracked(to(guest(1).mac, ping), 'eth0')).toBe(true);
    expect(untracked(to(HOST, ping), 'vif1.0')).toBe(false);
  });

  test('goes on for guests and ports that did not ask', () => {
    expect(untracked(to('02:00:00:00:00:fa', ping), 'vif2.0')).toBe(false);
    expect(untracked(to(guest(2).mac, ping), 'eth0')).toBe(false);
  });
});
