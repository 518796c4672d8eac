import { isIgnoredSignal } from "../_internal/ignored_signals.ts";
import { requireDeno } from "../_internal/file_port.ts";
import { isWindows } from "../_internal/path.ts";
import type { ProgramEnd } from "./trace_config.ts";
import type { TraceRecorder } from "./trace_recorder.ts";

type EndingSignal = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGBREAK";

/** The number of each signal; the exit code of a program that it ended is 128 more. */
const SIGNALS: readonly (readonly [EndingSignal, number])[] = isWindows
  ? [["SIGINT", 2], ["SIGBREAK", 21]]
  : [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]];

/** Options of {@linkcode installCrashFlush}. */
export interface CrashFlushOptions {
  /**
   * What happens at a signal once the trace is written: the program ends with 128 and the signal's
   * number, as it would without a listener; or, with `"flush-only"`, nothing more, for programs that
   * handle signals themselves.
   *
   * @default {"exit"}
   */
  onSignal?: "exit" | "flush-only";
}

/**
 * Lets a recorder write its trace when the program dies, blocking, and with the steps in flight
 * (W-TRC-6): at an error or rejection that nobody catches; at SIGINT, SIGTERM and SIGHUP (on Windows
 * SIGINT and SIGBREAK); and when the program ends, also by `Deno.exit`, while steps are in flight, while
 * a trace that could not be written is still owed, or in mode `"always"` with steps that are not yet in
 * the file. A program that ends well in mode `"on"` writes nothing here. SIGKILL leaves no time: only
 * what was flushed before is on disk then.
 *
 * Signals and errors otherwise do what they did: an error is still printed and ends the program, unless
 * it prevents that. A signal that was ignored when the program began, as under `nohup`, stays ignored.
 * Listening keeps no program from ending by itself, nor from being ended by Deno when what it awaits at
 * its top level can never come. So that Deno can notice that, nobody listens for a tenth of a millisecond
 * every few seconds; a signal in that moment does what it does without a listener. Where a signal was
 * ignored when the program began that would end it, so there Deno does not notice.
 *
 * **Durability** and **Permissions**: as {@linkcode TraceRecorder.flushError}. Listening needs none; on
 * Linux `--allow-read=/proc/self/status` lets it see which signals are ignored.
 *
 * @param recorder The recorder. Several in one program each write their own file.
 * @param options What happens at a signal.
 * @returns What removes all listeners when it is disposed of.
 *
 * @example Usage
 * ```ts
 * import { installCrashFlush, TraceRecorder } from "@taffrail/taffrail/trace";
 *
 * const recorder = new TraceRecorder({
 *   config: { outPath: `${await Deno.makeTempDir()}/trace.json` },
 *   context: { pack_ref: "demo", flow_id: "demo.flow" },
 * });
 * using _flush = installCrashFlush(recorder);
 * // … the flow runs …
 * await recorder.flushSuccess();
 * ```
 */
export function installCrashFlush(
  recorder: TraceRecorder,
  options: CrashFlushOptions = {},
): Disposable {
  const { exit } = requireDeno();
  const { onSignal = "exit" } = options;
  const installed = new DisposableStack();
  const flush = (end: ProgramEnd) => void recorder.flushAtEndSync(end);
  const crash = (error: unknown) => flush({ reason: "crash", error });
  listen(installed, "error", (event) => crash((event as ErrorEvent).error));
  listen(
    installed,
    "unhandledrejection",
    (event) => crash((event as PromiseRejectionEvent).reason),
  );
  listen(installed, "unload", () => flush({ reason: "exit" }));
  installed.use(
    new SignalListeners((signal, number) => {
      flush({ reason: signal });
      if (onSignal === "flush-only") return;
      installed.dispose();
      // First the other listeners of this signal, among them those of other recorders.
      queueMicrotask(() => exit(128 + number));
    }),
  );
  return installed;
}

/** The listeners of one recorder for the signals that end a program. */
class SignalListeners implements Disposable {
  readonly #listeners: [EndingSignal, () => void][];
  #isOn = false;

  /** Begins to listen. */
  constructor(onSignal: (signal: EndingSignal, number: number) => void) {
    this.#listeners = SIGNALS.map(([signal, number]) => {
      // With one listener the runtime takes all these signals over, so an ignored one needs one too.
      const isIgnored = isIgnoredSignal(number);
      return [signal, () => isIgnored || onSignal(signal, number)];
    });
    this.turnOn();
    installedListeners.add(this);
    if (installedListeners.size === 1) void leaveAndReturn();
  }

  turnOn(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
  }

  turnOff(): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
  }

  [Symbol.dispose](): void {
    installedListeners.delete(this);
    this.turnOff();
  }
}

/** All that listen, since Deno notices nothing as long as one of them does. */
const installedListeners = new Set<SignalListeners>();
let isLeaving = false;

const FIRST_LISTENING_MS = 500;
const LONGEST_LISTENING_MS = 5000;
/** In how many turns of the event loop it finds out that nothing is left to wait for: it needs two. */
const TURNS_AWAY = 4;

/**
 * Deno ends a program that awaits, at its top level, what can never come, but for one with a signal
 * listener: waiting for a signal counts as something to wait for then. So all listeners go for a tenth of a
 * millisecond, now and then: either the program is ended in it, or there is something else to wait for.
 * Where a signal is ignored from the start they stay, as it would end the program in that moment.
 */
async function leaveAndReturn(): Promise<void> {
  if (isLeaving || SIGNALS.some(([_, number]) => isIgnoredSignal(number))) return;
  isLeaving = true;
  for (
    let listeningMs = FIRST_LISTENING_MS;
    installedListeners.size > 0;
    listeningMs = Math.min(listeningMs * 2, LONGEST_LISTENING_MS)
  ) {
    await waitUnnoticed(listeningMs);
    for (const listeners of installedListeners) listeners.turnOff();
    for (let turn = 0; turn < TURNS_AWAY; turn++) await turnUnnoticed();
    for (const listeners of installedListeners) listeners.turnOn();
  }
  isLeaving = false;
}

/** Waits as a timer does, but the engine does it: a timer, even one let go of, is something to wait for. */
async function waitUnnoticed(milliseconds: number): Promise<void> {
  await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds).value;
}

/** Resolves in the next turn of the event loop, which goes on as if nobody waited for it. */
async function turnUnnoticed(): Promise<void> {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const { value } = Atomics.waitAsync(word, 0, 0);
  Atomics.notify(word, 0);
  await value;
}

function listen(
  installed: DisposableStack,
  type: "error" | "unhandledrejection" | "unload",
  listener: (event: Event) => void,
): void {
  const unlessPrevented = (event: Event) => {
    // Then another listener has caught it, and the program goes on.
    if (!event.defaultPrevented) listener(event);
  };
  globalThis.addEventListener(type, unlessPrevented);
  installed.defer(() => globalThis.removeEventListener(type, unlessPrevented));
}
