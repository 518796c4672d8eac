/** What it takes to kill a command and to tidy up after it, besides the grace. */
const TIDY_UP_MS = 10_000;

/**
 * When the supervisor may give an attempt up that was told to end: its group gets the grace, and
 * after that, whoever still holds its output open gets it once more.
 */
export function giveUpMs(graceMs: number): number {
  return 2 * graceMs + TIDY_UP_MS;
}
