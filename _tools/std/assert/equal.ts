type Loose = Record<PropertyKey, unknown>;

/** Whether `a` and `b` have the same structure; `0` equals `-0`, and `NaN` itself. */
export function equal(a: unknown, b: unknown): boolean {
  return isSame(a, b, new Map());
}

function isSame(a: unknown, b: unknown, seen: Map<unknown, unknown>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b) || prototypeOf(a) !== prototypeOf(b)) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (ArrayBuffer.isView(a) || isBuffer(a)) return isSameBytes(a, b);
  // A pair met again is a cycle: it differs only if something else in it does.
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (a instanceof Map && b instanceof Map) return isSameEntries([...a], [...b], seen);
  if (a instanceof Set && b instanceof Set) return isSameEntries([...a], [...b], seen);
  if (a instanceof RegExp || a instanceof URL || a instanceof URLSearchParams) {
    return String(a) === String(b);
  }
  return isSameMembers(a, b, seen);
}

function isObject(value: unknown): value is Loose {
  return typeof value === "object" && value !== null;
}

function prototypeOf(value: object): unknown {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

function isBuffer(value: unknown): value is ArrayBufferLike {
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

function isSameBytes(a: unknown, b: unknown): boolean {
  const left = elementsOf(a);
  const right = elementsOf(b);
  if (left.length !== right.length) return false;
  for (let i = 0; i < left.length; i++) {
    if (left[i] !== right[i] && !Object.is(left[i], right[i])) return false;
  }
  return true;
}

function elementsOf(value: unknown): ArrayLike<unknown> {
  if (isBuffer(value)) return new Uint8Array(value);
  if (!(value instanceof DataView)) return value as Uint8Array;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

function isSameEntries(a: unknown[], b: unknown[], seen: Map<unknown, unknown>): boolean {
  if (a.length !== b.length) return false;
  const primitives = new Set(b);
  return a.every((entry) => primitives.has(entry) || b.some((other) => isSame(entry, other, seen)));
}

function isSameMembers(a: Loose, b: Loose, seen: Map<unknown, unknown>): boolean {
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  const keys = isPlain(a)
    ? Reflect.ownKeys({ ...a, ...b })
    : [...inheritedKeys(a), ...inheritedKeys(b)];
  return keys.every((key) => key in a === key in b && isSame(a[key], b[key], seen));
}

function isPlain(value: object): boolean {
  const prototype = prototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype;
}

function inheritedKeys(value: object): Set<PropertyKey> {
  const keys = new Set<PropertyKey>();
  for (let at: unknown = value; isObject(at) && at !== Object.prototype;) {
    Reflect.ownKeys(at).forEach((key) => keys.add(key));
    at = Object.getPrototypeOf(at);
  }
  return keys;
}
