import { messageOf, XenstoreError } from '../../errors.ts';
import type { Xenstore } from './xenstore.ts';

/**
 * xenstore for an offline, which must go on whatever is missing: what xenstored does not answer is taken as not there.
 * @param store the connection
 * @param warn takes each reason, as a sentence, once
 */
export function lenient(store: Xenstore, warn: (sentence: string) => void): Xenstore {
  const said = new Set<string>();
  const otherwise = async <T>(asked: Promise<T>, value: T): Promise<T> => {
    try {
      return await asked;
    } catch (thrown) {
      if (!(thrown instanceof XenstoreError)) throw thrown;
      if (!said.has(thrown.message)) warn(messageOf(thrown));
      said.add(thrown.message);
      return value;
    }
  };
  return {
    readMany: (paths) =>
      otherwise(
        store.readMany(paths),
        paths.map(() => undefined),
      ),
    list: (path) => otherwise(store.list(path), undefined),
    write: (path, value) => otherwise(store.write(path, value), undefined),
    remove: (path) => otherwise(store.remove(path), undefined),
    writeAll: (entries) => otherwise(store.writeAll(entries), undefined),
    close: () => store.close(),
  };
}
