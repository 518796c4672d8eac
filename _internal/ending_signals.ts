/**
 * Listens for the signals that ask a program to end, as if nobody did: a program that awaits what can never
 * come is ended all the same, and a signal that was ignored when the program began stays ignored.
 */
import { isIgnoredSignal } from "./ignored_signals.ts";
import { isWindows } from "./path.ts";

/** A signal that asks a program to end. */
export type EndingSignal = "SIGHUP" | "SIGINT" | "SIGTERM" | "SIGBREAK";

/** The number of each signal; the exit code of a program that it ended is 128 more. */
const SIGNALS: readonly (readonly [EndingSignal, number])[] = isWindows
  ? [["SIGINT", 2], ["SIGBREAK", 21]]
  : [["SIGHUP", 1], ["SIGINT", 2], ["SIGTERM", 15]];

/**
 * Listens until it is disposed of; with the last listener the signals do again what they do by themselves.
 *
 * @param onSignal Called for each of the signals, with its number.
 */
export function listenForEnd(
  onSignal: (signal: EndingSignal, number: number) => void,
): Disposable {
  return new SignalListeners(onSignal);
}

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

/** No round number: what programs wait for themselves is seldom over in the moment in which nobody listens. */
const FIRST_LISTENING_MS = 1300;
const LONGEST_LISTENING_MS = 5000;
/** In how many turns of the event loop a signal that has come is told to its listener: one that has none is lost. */
const TURNS_OF_A_SIGNAL = 4;
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
    await turnsUnnoticed(TURNS_OF_A_SIGNAL);
    for (const listeners of installedListeners) listeners.turnOff();
    await turnsUnnoticed(TURNS_AWAY);
    for (const listeners of installedListeners) listeners.turnOn();
  }
  isLeaving = false;
}

/** Waits as a timer does, but the engine does it: a timer, even one let go of, is something to wait for. */
async function waitUnnoticed(milliseconds: number): Promise<void> {
  await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds).value;
}

/** Resolves so many turns of the event loop later, which goes on as if nobody waited for it. */
async function turnsUnnoticed(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    const word = new Int32Array(new SharedArrayBuffer(4));
    const { value } = Atomics.waitAsync(word, 0, 0);
    Atomics.notify(word, 0);
    await value;
  }
}
