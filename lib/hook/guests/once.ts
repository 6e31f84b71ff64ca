/**
 * Asks a question once for each key, however often its answer is needed.
 * @param look gives the answer
 */
export function onceEach<K, V>(look: (key: K) => V): (key: K) => V {
  const known = new Map<K, { readonly value: V }>();
  return (key) => {
    const found = known.get(key) ?? { value: look(key) };
    known.set(key, found);
    return found.value;
  };
}
