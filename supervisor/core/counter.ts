/**
 * The number after `value`; a `RangeError` at 2^53 − 1, beyond which numbers would be rounded. The name
 * is the counter's, for the error.
 */
export function following(value: number, name: string): number {
  if (value >= Number.MAX_SAFE_INTEGER) {
    throw new RangeError(`Cannot count ${name} further: it has reached ${value}`);
  }
  return value + 1;
}
