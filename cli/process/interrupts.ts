import { isIgnoredSignal } from "../../_internal/ignored_signals.ts";
import { exitCodeOfSignal } from "../exit_codes.ts";
import { formatDuration } from "../text/units.ts";

/** The number of each signal that ends a run; the exit code is 128 more. */
const SIGNALS: [Deno.Signal, number][] = [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]];

/**
 * A launcher such as `npx` or `deno task` passes a signal on that the terminal has sent to this
 * process too; it comes within a moment.
 */
const ECHO_MS = 100;

/** What to do at each signal; `isFirst`: it asks, and does not insist yet. */
type OnInterrupt = (signal: Deno.Signal, isFirst: boolean) => void;

/** The signals by which the user ends what runs: the first one asks, the second one insists. */
export class Interrupts implements Disposable {
  /** What to do at each signal. */
  onInterrupt: OnInterrupt = () => {};
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  /** Aborts at the first signal. */
  readonly stop: AbortSignal = this.#stop.signal;
  /** Aborts at the second signal. */
  readonly kill: AbortSignal = this.#kill.signal;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #first: { name: Deno.Signal; at: number } | undefined;

  /** `now`: the time in milliseconds. */
  constructor({ now = () => performance.now() }: { now?: () => number } = {}) {
    this.#now = now;
  }

  /** {@linkcode Interrupts.listen}, and says at each signal what comes of it. */
  listenFor(observer: { note(text: string): void }, graceMs: number): void {
    const within = formatDuration(graceMs);
    this.listen((signal, isFirst) =>
      observer.note(
        isFirst
          ? `${signal}: ending what runs, within ${within}; once more to kill it`
          : `${signal}: killing what runs`,
      )
    );
  }

  /** Begins to listen; until then a signal ends the process at once. */
  listen(onInterrupt: OnInterrupt): void {
    this.onInterrupt = onInterrupt;
    for (const [name, number] of SIGNALS) {
      // With one listener the runtime takes all these signals over, so an ignored one needs one too.
      const listener = isIgnoredSignal(number) ? () => {} : () => this.receive(name);
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
    (first === undefined ? this.#stop : this.#kill).abort();
  }

  /** The first signal, and the exit code for it. */
  get received(): { name: Deno.Signal; exitCode: number } | undefined {
    const name = this.#first?.name;
    return name && { name, exitCode: exitCodeOfSignal(new Map(SIGNALS).get(name)!) };
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }
}
