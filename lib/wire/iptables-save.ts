/** One table in the output of iptables-save(8) or ip6tables-save(8). */
export interface SavedTable {
  readonly name: string;
  /** The policy of each chain; "-" for a user-defined chain. */
  readonly policies: ReadonlyMap<string, string>;
  /** The rules in order, without the leading -A. */
  readonly rules: readonly string[];
}

/**
 * Reads the output of iptables-save or ip6tables-save.
 * @param text the output
 */
export function parseSavedTables(text: string): SavedTable[] {
  const tables: { name: string; policies: Map<string, string>; rules: string[] }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) tables.push({ name: line.slice(1), policies: new Map(), rules: [] });
    else if (line.startsWith('-A ')) tables.at(-1)?.rules.push(line.slice('-A '.length));
    else if (line.startsWith(':')) {
      const [chain = '', policy = ''] = line.slice(1).split(' ');
      tables.at(-1)?.policies.set(chain, policy);
    }
  }
  return tables;
}
