/** A part of the kernel that is asked by netlink(7). */
export const NETLINK = { route: 0, netfilter: 12 } as const;

export type NetlinkProtocol = (typeof NETLINK)[keyof typeof NETLINK];

/** One read or write of a datagram on a netlink socket. */
export interface NetlinkSocket {
  send(bytes: Uint8Array): void;
  /** All that one datagram holds; throws when none comes in time. */
  receive(): Uint8Array;
  /** What the system calls an error, as strerror(3) has it. */
  errorText(errno: number): string;
  close(): void;
}

export const NLMSG_ERROR = 2;
