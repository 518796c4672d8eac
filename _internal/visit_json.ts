/** `JSON.rawJSON` is in the engine, but not yet in the types. */
interface RawJson {
  readonly rawJSON: string;
}

const { isRawJSON } = JSON as unknown as { isRawJSON(value: unknown): value is RawJson };

/** The text of a `JSON.rawJSON` member; undefined for every other value. */
export function rawJsonText(value: unknown): string | undefined {
  return isRawJSON(value) ? value.rawJSON : undefined;
}

/**
 * Stringifies a value, passing each member with its path (`$.a[0].b`) through the visitor. A cycle
 * is refused with its path.
 */
export function stringifyVisiting(
  value: unknown,
  visitor: (value: unknown, path: string) => unknown,
): string | undefined {
  const paths = new Map<unknown, string>();
  /** The objects that the present member is in, the outermost first. */
  const holders: unknown[] = [];
  return JSON.stringify(value, function (this: unknown, key: string, member: unknown): unknown {
    while (holders.length > 0 && holders.at(-1) !== this) holders.pop();
    const parent = paths.get(this);
    const path = parent === undefined ? "$" : childPath(parent, this, key);
    const visited = visitor(member, path);
    if (typeof visited === "object" && visited !== null) {
      if (holders.includes(visited)) {
        throw new TypeError(`${path} leads back to ${paths.get(visited)}, and JSON has no cycles`);
      }
      paths.set(visited, path);
      holders.push(visited);
    }
    return visited;
  });
}

function childPath(parent: string, holder: unknown, key: string): string {
  if (Array.isArray(holder)) return `${parent}[${key}]`;
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)
    ? `${parent}.${key}`
    : `${parent}[${JSON.stringify(key)}]`;
}
