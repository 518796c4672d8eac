import type { RunRequest, RuntimeInvoker } from "../types.ts";

/** What the engine says of one function on the stack. */
interface CallSite {
  getFunctionName(): string | null;
  /** Whether it is not on the stack but waits for what is. */
  isAsync(): boolean;
}

/** The part of `Error` that is the engine's own. */
interface EngineError {
  stackTraceLimit: number;
  prepareStackTrace?: ((error: unknown, stack: CallSite[]) => unknown) | undefined;
  captureStackTrace(holder: object, upTo: (isMeant: (site: CallSite) => boolean) => unknown): void;
}

/** What to call with the answer that is waited for. */
interface AnswerHandlers {
  onAnswer: (answer: unknown) => void;
  onThrown: (error: unknown) => void;
}

/** What the names of the two functions begin with. They are text, so that a minifier leaves them alone. */
const CALLS = "taffrail calls an invoker";
const WAITS = "taffrail waits for an invoker";

let supervisors = 0;

/**
 * Calls the invoker of one supervisor, and knows what runs inside of that. A supervisor that is at work inside
 * the invoker of another one is none that would wait for itself, so each has marks of its own.
 *
 * The engine's stack says it, as it also holds the functions that wait for the one that runs. It loses
 * its way only where `run` waits for a bare callback, such as that of a timer.
 */
export class InsideRun {
  readonly #calls: string;
  readonly #waits: string;
  /** Calls an invoker. */
  readonly call: (invoker: RuntimeInvoker, request: RunRequest) => unknown;
  /** Waits for the answer of an invoker. */
  readonly awaitAnswer: (answer: PromiseLike<unknown>, handlers: AnswerHandlers) => Promise<void>;

  constructor() {
    const number = ++supervisors;
    this.#calls = `${CALLS} ${number}`;
    this.#waits = `${WAITS} ${number}`;
    const marked = {
      [this.#calls]: (invoker: RuntimeInvoker, request: RunRequest): unknown => {
        return invoker.run(request);
      },

      async [this.#waits](answer: PromiseLike<unknown>, handlers: AnswerHandlers): Promise<void> {
        let answered: unknown;
        try {
          answered = await answer;
        } catch (error) {
          return handlers.onThrown(error);
        }
        handlers.onAnswer(answered);
      },
    };
    this.call = marked[this.#calls] as typeof this.call;
    this.awaitAnswer = marked[this.#waits] as typeof this.awaitAnswer;
  }

  /** Refuses what would wait for the `run` that it is called from. */
  checkOutside(what: string): void {
    const isInside = isCalledBy((site) => {
      const name = site.getFunctionName();
      return name === this.#calls || (name === this.#waits && site.isAsync());
    });
    if (!isInside) return;
    throw new TypeError(`Cannot ${what} from inside run: it would wait for itself`);
  }
}

/** Whether such a function is on the stack, or waits for one that is. */
function isCalledBy(isMeant: (site: CallSite) => boolean): boolean {
  const engine = Error as unknown as EngineError;
  const { stackTraceLimit, prepareStackTrace } = engine;
  const holder: { stack?: unknown } = {};
  try {
    engine.stackTraceLimit = Infinity;
    engine.prepareStackTrace = (_error, stack) => stack.some(isMeant);
    engine.captureStackTrace(holder, isCalledBy);
    return holder.stack === true;
  } finally {
    engine.stackTraceLimit = stackTraceLimit;
    engine.prepareStackTrace = prepareStackTrace;
  }
}
