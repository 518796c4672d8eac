/** What is kept of a value whose redactor failed: nothing of it may leak. */
export const MASK = "[redaction failed]";

/**
 * What a redactor leaves of a value. One that throws, or answers with a promise, which nobody would
 * wait for, leaves the mask.
 */
export function redactOrMask(
  value: unknown,
  path: string,
  redact: (value: unknown, path: string) => unknown,
): unknown {
  try {
    const kept = redact(value, path);
    if (kept === value || !(kept instanceof Promise)) return kept;
    // Nothing waits for it here, and nobody else would hear of its rejection.
    kept.catch(() => {});
    return MASK;
  } catch {
    return MASK;
  }
}
