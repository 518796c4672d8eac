import { formatDuration } from "../text/units.ts";

/** The number of each signal that ends a run; the exit code is 128 more. */
const SIGNALS: [Deno.Signal, number][] = [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]];

/**
 * A launcher such as `npx` or `deno task` passes a signal on that the terminal has sent to this
 * process too; it comes within a moment.
 */
const ECHO_MS = 100;

/** The wish of the user to end a run: the first signal asks, the second one insists. */
export class Interrupts implements Disposable {
  /** What to do at each wish. */
  onInterrupt: (signal: Deno.Signal, isFirst: boolean) => void = () => {};
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #first: { name: Deno.Signal; at: number } | undefined;

  /** `now`: the time in milliseconds. */
  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
  }

  /** Tells the user at each wish what comes of it. */
  announce(view: { note(text: string): void }, graceMs: number): void {
    const within = formatDuration(graceMs);
    this.onInterrupt = (signal, isFirst) =>
      view.note(
        isFirst
          ? `${signal}: ending what runs, within ${within}; once more to kill it`
          : `${signal}: killing what runs`,
      );
  }

  /** Begins to listen; until then a signal ends the process at once. */
  listen(): void {
    const ignored = ignoredSignals();
    for (const [name, number] of SIGNALS) {
      const isIgnored = (ignored & (1n << BigInt(number - 1))) !== 0n;
      // With one listener the runtime takes all these signals over, so an ignored one needs one too.
      const listener = isIgnored ? () => {} : () => this.receive(name);
      try {
        Deno.addSignalListener(name, listener);
        this.#listeners.push([name, listener]);
      } catch {
        // Windows does not know all of them.
      }
    }
  }

  /** Takes a signal. */
  receive(name: Deno.Signal): void {
    const at = this.#now();
    const first = this.#first;
    if (first?.name === name && at - first.at < ECHO_MS) return;
    this.#first ??= { name, at };
    this.onInterrupt(name, first === undefined);
    (first === undefined ? this.#stop : this.#hurry).abort();
  }

  /** Aborts at the first signal. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts at the second signal. */
  get hurry(): AbortSignal {
    return this.#hurry.signal;
  }

  /** The first signal, and the exit code that tells it. */
  get received(): { name: Deno.Signal; exitCode: number } | undefined {
    const name = this.#first?.name;
    return name && { name, exitCode: 128 + new Map(SIGNALS).get(name)! };
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}

/** The signals that were ignored when the process began, as with nohup: they stay ignored. */
function ignoredSignals(): bigint {
  if (Deno.build.os !== "linux") return 0n;
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status"));
    return BigInt(`0x${mask?.[1] ?? "0"}`);
  } catch {
    return 0n;
  }
}

/** What it takes to kill a command and to tidy up after it, besides the grace. */
const TIDY_UP_MS = 10_000;

/**
 * When the supervisor may give an attempt up that was told to end: its group gets the grace, and
 * after that, whoever still holds its output open gets it once more.
 */
export function giveUpMs(graceMs: number): number {
  return 2 * graceMs + TIDY_UP_MS;
}
