import type { CardTraffic, GuestTraffic, TrafficReport } from './report.ts';

/** The version of the form of --json's output. */
const JSON_VERSION = 1;
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/**
 * The report as rows of a table, the heading first: a line for each card.
 * @param report the report
 */
export function trafficRows({ guests, refused }: TrafficReport): string[][] {
  const heading = [
    'GUEST',
    'CARD',
    'DEVICE',
    'RECEIVED',
    'PACKETS',
    'SENT',
    'PACKETS',
    'REFUSED',
    'SINCE',
    'UUID',
  ];
  const rows = guests.flatMap((guest) =>
    guest.cards.map((card) => {
      const drops = refused.find((one) => one.uuid === guest.uuid && one.card === card.card);
      return [
        guest.name,
        `${card.card}`,
        card.devices.join(' ') || '-',
        humanBytes(card.receivedBytes),
        `${card.receivedPackets}`,
        humanBytes(card.sentBytes),
        `${card.sentPackets}`,
        drops === undefined ? '-' : `${drops.packets}`,
        guest.since,
        guest.uuid,
      ];
    }),
  );
  return [heading, ...rows];
}

/**
 * The report for programs.
 * @param report the report
 * @returns what JSON.stringify takes
 */
export function trafficJson({ host, guests, refused, warnings }: TrafficReport): object {
  return {
    version: JSON_VERSION,
    host,
    guests: guests.map((guest) => ({
      name: guest.name,
      uuid: guest.uuid,
      running: guest.isRunning,
      since: guest.since,
      ...flowJson(guest),
      cards: guest.cards.map((card) => {
        const drops = refused.find((one) => one.uuid === guest.uuid && one.card === card.card);
        return {
          card: card.card,
          devices: card.devices,
          ...flowJson(card),
          refused: drops === undefined ? null : { packets: drops.packets, bytes: drops.bytes },
        };
      }),
    })),
    warnings,
  };
}

function flowJson(flow: GuestTraffic | CardTraffic) {
  return {
    received: { packets: flow.receivedPackets, bytes: flow.receivedBytes },
    sent: { packets: flow.sentPackets, bytes: flow.sentBytes },
  };
}

/**
 * A number of bytes for people: "1.5 GiB".
 * @param bytes how many
 */
export function humanBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(value < 100 ? 1 : 0)} ${UNITS[unit]}`;
}
