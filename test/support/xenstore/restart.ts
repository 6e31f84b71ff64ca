/** Writes the entries again that a restart has kept aside, as a script for sh. */
export const RESTORE_ENTRIES = `
sed 's/ = "/\\n/; s/"$//' /run/xenstored.entries | tr '\\n' '\\0' | xargs -0 -r xenstore-write
rm /run/xenstored.entries`;

/**
 * Restarts xenstored, as a script for sh. Who is connected to it loses that, as when oxenstored is restarted.
 * @param keeps whether the entries are those before; otherwise they are gone until `RESTORE_ENTRIES`
 */
export const restartXenstored = (keeps: boolean): string => `
pid=$(pidof xenstored)
daemon=$(readlink /proc/$pid/exe)
settings=$(tr '\\0' '\\n' </proc/$pid/environ | grep -E '^(LD_PRELOAD|XENSTORED_RUNDIR)=')
xenstore-ls -f >/run/xenstored.entries
kill $pid
while [ -e /proc/$pid ]; do sleep 0.01; done
env $settings $daemon </dev/null >/dev/null 2>&1
until xenstore-exists /tool 2>/dev/null; do sleep 0.01; done
${keeps ? RESTORE_ENTRIES : ''}`;
