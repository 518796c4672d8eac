const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";
const TIME_LENGTH = 10;
const RANDOM_LENGTH = 16;
const MAX_TIME_MS = 2 ** 48 - 1;

/** Whether the text is a ULID in lower case. */
export function isUlid(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}

/** A new ULID of the time in milliseconds since 1970, in lower case so that it sorts and types well. */
export function createUlid(timeMs: number): string {
  if (!Number.isInteger(timeMs) || timeMs < 0 || timeMs > MAX_TIME_MS) {
    throw new RangeError(`Cannot make a ULID of the time ${timeMs}`);
  }
  let time = "";
  for (let rest = timeMs; time.length < TIME_LENGTH; rest = Math.floor(rest / 32)) {
    time = DIGITS[rest % 32] + time;
  }
  const random = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  return time + Array.from(random, (byte) => DIGITS[byte % 32]).join("");
}

/** The ULID that follows; a full random part carries into the time. */
export function incrementUlid(ulid: string): string {
  const digits = [...ulid];
  for (let index = digits.length - 1; index >= 0; index--) {
    const value = DIGITS.indexOf(digits[index]!);
    if (value < DIGITS.length - 1) {
      digits[index] = DIGITS[value + 1]!;
      const next = digits.join("");
      if (isUlid(next)) return next;
      break;
    }
    digits[index] = DIGITS[0]!;
  }
  throw new RangeError(`Cannot make a ULID greater than ${ulid}`);
}

/** A fresh ULID that is greater than `last`, also when the clock has gone back. */
export function ulidAfter(last: string | undefined, timeMs: number): string {
  const fresh = createUlid(timeMs);
  return last === undefined || fresh > last ? fresh : incrementUlid(last);
}
