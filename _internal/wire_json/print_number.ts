/** Prints a finite number as serde_json prints an f64: with a point or an exponent (J-4). */
export function printFloat(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 1e16 || (magnitude < 1e-5 && magnitude !== 0)) {
    return value.toExponential().replace("+", "");
  }
  if (Object.is(value, -0)) return "-0.0";
  return Number.isInteger(value) ? `${value}.0` : `${value}`;
}

/**
 * Prints a finite number of free JSON: integers as integers, all else as {@linkcode printFloat}.
 * An integral number beyond 2^53−1 is a float, because it may stand for a rounded one.
 */
export function printNumber(value: number): string {
  return Number.isSafeInteger(value) && !Object.is(value, -0) ? `${value}` : printFloat(value);
}
