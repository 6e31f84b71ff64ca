const POLL_MS = 20;

/** Ends the waiting without blocking the event loop. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Waits for something that the kernel or another process does a little later: a carrier, an IPv6 link-local address.
 * @param what what is waited for, for the message
 * @param holds looks; undefined or false means not yet
 * @param boundMs how long at most
 * @returns what `holds` found
 * @throws Error when the time is over
 */
export async function waitUntil<T>(
  what: string,
  holds: () => T | undefined | false,
  boundMs = 60_000,
): Promise<T> {
  const end = performance.now() + boundMs;
  for (;;) {
    const found = holds();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Waited ${boundMs} ms in vain for ${what}.`);
    await sleep(POLL_MS);
  }
}
