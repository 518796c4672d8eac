import { requireDeno } from "../_internal/file_port.ts";
import { listenForEnd } from "../_internal/ending_signals.ts";
import type { ProgramEnd } from "./trace_config.ts";
import type { TraceRecorder } from "./trace_recorder.ts";

/** Options of {@linkcode installCrashFlush}. */
export interface CrashFlushOptions {
  /**
   * What happens at a signal once the trace is written: the program ends with 128 and the signal's
   * number, as it would without a listener; or, with `"flush-only"`, nothing more, for programs that
   * handle signals themselves. With `"none"` nobody listens for signals.
   *
   * @default {"exit"}
   */
  onSignal?: "exit" | "flush-only" | "none";
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
  if (onSignal === "none") return installed;
  installed.use(
    listenForEnd((signal, number) => {
      flush({ reason: signal });
      if (onSignal === "flush-only") return;
      installed.dispose();
      // First the other listeners of this signal, among them those of other recorders.
      queueMicrotask(() => exit(128 + number));
    }),
  );
  return installed;
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
