/** A table as iptables-save(8) and ip6tables-save(8) print it. */
export interface SavedTable {
  readonly name: string;
  /** The policy of each chain; "-" of one that somebody made. */
  readonly policies: ReadonlyMap<string, string>;
  /** In order, without the leading -A. */
  readonly rules: readonly string[];
}

/**
 * Reads what iptables-save or ip6tables-save prints.
 * @param text its output
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
