/** `JSON.rawJSON` is in the engine, but not yet in the types. */
interface RawJson {
  readonly rawJSON: string;
}

const { isRawJSON } = JSON as unknown as { isRawJSON(value: unknown): value is RawJson };

/** The text of a `JSON.rawJSON` member; undefined for every other value. */
export function rawJsonText(value: unknown): string | undefined {
  return isRawJSON(value) ? value.rawJSON : undefined;
}

/** Stringifies a value, passing each member with its path (`$.a[0].b`) through the visitor. */
export function stringifyVisiting(
  value: unknown,
  visitor: (value: unknown, path: string) => unknown,
): string | undefined {
  const paths = new Map<unknown, string>();
  return JSON.stringify(value, function (this: unknown, key: string, member: unknown): unknown {
    const parent = paths.get(this);
    const path = parent === undefined ? "$" : childPath(parent, this, key);
    const visited = visitor(member, path);
    if (typeof visited === "object" && visited !== null) paths.set(visited, path);
    return visited;
  });
}

function childPath(parent: string, holder: unknown, key: string): string {
  if (Array.isArray(holder)) return `${parent}[${key}]`;
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(key)
    ? `${parent}.${key}`
    : `${parent}[${JSON.stringify(key)}]`;
}
