const FIRST_PAUSE_MS = 5;

/** Waits for a while, or until one of the signals aborts. */
export function wait(milliseconds: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    for (const signal of signals) signal.addEventListener("abort", end);
    if (signals.some((signal) => signal.aborted)) end();
  });
}

/**
 * Looks until something has come true, soon at first and then less often.
 *
 * @returns Whether it has; not so after the time, or when one of the signals aborts.
 */
export async function waitUntil(
  isTrue: () => boolean,
  { timeoutMs, longestPauseMs }: { timeoutMs: number; longestPauseMs: number },
  ...signals: AbortSignal[]
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; !isTrue(); pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0 || signals.some((signal) => signal.aborted)) return false;
    await wait(Math.min(pauseMs, leftMs), ...signals);
  }
  return true;
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
