/**
 * The signals that this process takes, and what becomes of each.
 *
 * - SIGHUP, SIGINT, SIGQUIT and SIGTERM are wishes to end. The first one asks: the run is stopped, and the
 *   commands get this very signal, once. The second one insists: they are killed.
 * - SIGUSR1, SIGUSR2, SIGALRM and SIGWINCH are passed on to the commands, and nothing else follows.
 * - SIGTSTP, as by Ctrl-Z, stops the commands and then this process; when it goes on, they do.
 * - What was ignored when this process began, as SIGHUP under `nohup`, stays ignored.
 * - On a terminal that the commands share, what it sends to them itself is not sent a second time.
 */
import { isIgnoredSignal } from "../../_internal/ignored_signals.ts";
import { isWindows } from "../../_internal/path.ts";
import { exitCodeOfSignal } from "../exit_codes.ts";
import { formatDuration } from "../text/units.ts";
import { suspended } from "./awake_time.ts";

/** What ends a run, with its number; the exit code is 128 more. */
const ENDING: [Deno.Signal, number][] = [
  ["SIGHUP", 1],
  ["SIGINT", 2],
  ["SIGQUIT", 3],
  ["SIGTERM", 15],
  // Ctrl-Break, which only Windows has: it ends this process at once where nobody listens.
  ...(isWindows ? [["SIGBREAK", 21] as [Deno.Signal, number]] : []),
];

/** What is the commands' business alone. Only Linux tells what is ignored: the numbers are its own. */
const PASSED_ON: [Deno.Signal, number][] = [
  ["SIGUSR1", 10],
  ["SIGUSR2", 12],
  ["SIGALRM", 14],
  ["SIGWINCH", 28],
];

const SUSPENDING: [Deno.Signal, number] = ["SIGTSTP", 20];

/** What a terminal sends by itself to all that share it. */
const FROM_TERMINAL: readonly Deno.Signal[] = ["SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"];

/**
 * A launcher such as `npx` or `deno task` passes a signal on that the terminal has sent to this
 * process too; it comes within a moment.
 */
const ECHO_MS = 100;

/** What to do at each signal that is a wish to end; `isFirst`: it asks, and does not insist yet. */
type OnInterrupt = (signal: Deno.Signal, isFirst: boolean) => void;

/** A command that runs, and takes signals as long as it does. */
export interface SignalTarget {
  /** Passes a signal on; who has ended gets none. */
  send(signal: Deno.Signal): void;
}

/** Why a run is stopped: this process got a signal. */
export class SignalReceived extends Error {
  /** The name of the class. */
  override readonly name = "SignalReceived";
  /** The signal. */
  readonly signal: Deno.Signal;

  constructor(signal: Deno.Signal) {
    super(`cancelled by ${signal}`);
    this.signal = signal;
  }
}

/** The signal by which to end what is aborted for this reason. */
export function endingSignalOf(reason: unknown): Deno.Signal {
  return reason instanceof SignalReceived ? reason.signal : "SIGTERM";
}

/** The signals that this process takes. */
export class Interrupts implements Disposable {
  /** What to do at each wish to end. */
  onInterrupt: OnInterrupt = () => {};
  /** The commands that run now. */
  readonly commands: Set<SignalTarget> = new Set();
  readonly #now: () => number;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  /** Aborts at the first signal, for the reason {@linkcode SignalReceived}. */
  readonly stop: AbortSignal = this.#stop.signal;
  /** Aborts at the second signal. */
  readonly kill: AbortSignal = this.#kill.signal;
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #sharesTerminal = false;
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
    for (const [name, number] of [...ENDING, ...PASSED_ON, SUSPENDING]) {
      // With one listener the runtime takes signals over, so an ignored one needs one too.
      const listener = isIgnoredSignal(number) ? () => {} : () => this.receive(name);
      try {
        Deno.addSignalListener(name, listener);
        this.#listeners.push([name, listener]);
      } catch {
        // Windows does not know all of them.
      }
    }
  }

  /**
   * From now on a command is in the process group of this process, on its terminal, which sends it what is typed
   * there: that is for the command to act on, and no wish to end this.
   */
  shareTerminal(): void {
    this.#sharesTerminal = true;
  }

  /** Takes a signal. */
  receive(name: Deno.Signal): void {
    const isTheirs = this.#sharesTerminal && FROM_TERMINAL.includes(name);
    if (name === SUSPENDING[0]) this.#suspend();
    else if (!isTheirs && ENDING.some(([ending]) => ending === name)) this.#end(name);
    else if (!isTheirs) this.#send(name);
  }

  /** Somebody asks for an end by a message, where no signal of theirs reaches this process. */
  ask(name: Deno.Signal): void {
    const isKill = name === "SIGKILL";
    this.#end(isKill ? "SIGTERM" : name);
    if (isKill) this.#kill.abort();
  }

  /** The first signal that was a wish to end, and the exit code for it. */
  get received(): { name: Deno.Signal; exitCode: number } | undefined {
    const name = this.#first?.name;
    return name && { name, exitCode: exitCodeOfSignal(new Map(ENDING).get(name)!) };
  }

  /** Stops listening. */
  [Symbol.dispose](): void {
    for (const [name, listener] of this.#listeners) Deno.removeSignalListener(name, listener);
  }

  #end(name: Deno.Signal): void {
    const at = this.#now();
    const first = this.#first;
    if (first?.name === name && at - first.at < ECHO_MS) return;
    this.#first ??= { name, at };
    this.onInterrupt(name, first === undefined);
    if (first === undefined) this.#stop.abort(new SignalReceived(name));
    else this.#kill.abort();
  }

  /** A command in a session of its own has nobody who could let it go on: SIGTSTP would not stop it. */
  #suspend(): void {
    if (!this.#sharesTerminal) this.#send("SIGSTOP");
    // The system stops this process before the call returns.
    suspended(() => Deno.kill(Deno.pid, "SIGSTOP"));
    this.#send("SIGCONT");
  }

  #send(name: Deno.Signal): void {
    for (const command of this.commands) command.send(name);
  }
}
