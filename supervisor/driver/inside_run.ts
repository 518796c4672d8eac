import type { RunRequest, RuntimeInvoker } from "../types.ts";

/** What an invoker answers: it is looked at by whoever gets it. */
type Answer = ReturnType<RuntimeInvoker["run"]>;

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
  captureStackTrace(holder: object, upTo: () => unknown): void;
}

/** What to call with the answer that is waited for. */
interface AnswerHandlers {
  onAnswer: (answer: Awaited<Answer>) => void;
  onThrown: (error: unknown) => void;
}

/** Names of the two functions below. They are text, so that a minifier leaves them alone. */
const CALLS = "taffrail calls an invoker";
const WAITS = "taffrail waits for an invoker";

const marked = {
  [CALLS]: (invoker: RuntimeInvoker, request: RunRequest): Answer => invoker.run(request),

  async [WAITS](answer: PromiseLike<Awaited<Answer>>, handlers: AnswerHandlers): Promise<void> {
    let answered: Awaited<Answer>;
    try {
      answered = await answer;
    } catch (error) {
      return handlers.onThrown(error);
    }
    handlers.onAnswer(answered);
  },
};

/** Calls an invoker, so that {@linkcode checkOutside} knows. */
export function callInvoker(invoker: RuntimeInvoker, request: RunRequest): Answer {
  return marked[CALLS](invoker, request);
}

/** Waits for an invoker, so that {@linkcode checkOutside} knows. */
export function awaitAnswer(
  answer: PromiseLike<Awaited<Answer>>,
  handlers: AnswerHandlers,
): void {
  void marked[WAITS](answer, handlers);
}

/** Refuses what would wait for the `run` that it is called from. */
export function checkOutside(what: string): void {
  if (!isInsideRun()) return;
  throw new TypeError(`Cannot ${what} from inside run: it would wait for itself`);
}

/**
 * Whether the caller runs inside an invoker's `run`.
 *
 * The engine's stack says it, as it also holds the functions that wait for the one that runs. It loses
 * its way only where `run` waits for a bare callback, such as that of a timer.
 */
function isInsideRun(): boolean {
  const engine = Error as unknown as EngineError;
  const { stackTraceLimit, prepareStackTrace } = engine;
  const holder: { stack?: unknown } = {};
  try {
    engine.stackTraceLimit = Infinity;
    engine.prepareStackTrace = findMark;
    engine.captureStackTrace(holder, isInsideRun);
    return holder.stack === true;
  } finally {
    engine.stackTraceLimit = stackTraceLimit;
    engine.prepareStackTrace = prepareStackTrace;
  }
}

function findMark(_error: unknown, stack: CallSite[]): boolean {
  return stack.some((site) => {
    const name = site.getFunctionName();
    return name === CALLS || (name === WAITS && site.isAsync());
  });
}
