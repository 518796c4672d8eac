/**
 * Runs `use` with a `performance.now()` that goes a hundred times as fast, so that a time limit of
 * seconds is over soon. Timers and the wall clock go on as ever.
 */
export async function withFastClock<T>(use: () => Promise<T>): Promise<T> {
  const now = performance.now.bind(performance);
  const start = now();
  performance.now = () => start + (now() - start) * 100;
  try {
    return await use();
  } finally {
    Reflect.deleteProperty(performance, "now");
  }
}

/** Runs `use` with a `performance.now()` that stands still until it is told to go on. */
export async function withStoppedClock<T>(
  use: (clock: { advanceMs(ms: number): void }) => Promise<T>,
): Promise<T> {
  // Of whole milliseconds, so that the millisecond that is added is one when it is subtracted again.
  let nowMs = Math.ceil(performance.now());
  performance.now = () => nowMs;
  try {
    return await use({ advanceMs: (ms) => void (nowMs += ms) });
  } finally {
    Reflect.deleteProperty(performance, "now");
  }
}
