import type { RunRequest, RunTermination, RuntimeInvoker } from "../types.ts";

type Answer = RunTermination | PromiseLike<RunTermination>;

/** What the engine tells about one function of a stack. */
interface CallSite {
  getFunctionName(): string | null;
}

/** The part of `Error` that is the engine's own. */
interface EngineError {
  stackTraceLimit: number;
  prepareStackTrace?: ((error: unknown, stack: CallSite[]) => unknown) | undefined;
  captureStackTrace(holder: object, upTo: () => unknown): void;
}

/** The name of two functions. It is text, so that a minifier leaves it alone. */
const MARK = "taffrail waits for an invoker";

const whileItRuns = {
  [MARK]: (invoker: RuntimeInvoker, request: RunRequest): Answer => invoker.run(request),
};

const untilItAnswers = {
  [MARK]: async (answer: PromiseLike<RunTermination>): Promise<RunTermination> => await answer,
};

/** Calls an invoker, so that {@linkcode checkOutside} knows. */
export function callInvoker(invoker: RuntimeInvoker, request: RunRequest): Answer {
  return whileItRuns[MARK](invoker, request);
}

/** Waits for an invoker, so that {@linkcode checkOutside} knows. */
export function awaitAnswer(answer: PromiseLike<RunTermination>): Promise<RunTermination> {
  return untilItAnswers[MARK](answer);
}

/** Refuses what would wait for the `run` that it is called from. */
export function checkOutside(what: string): void {
  if (!isInsideRun()) return;
  throw new TypeError(`Cannot ${what} from inside run: it would wait for itself`);
}

/**
 * Whether the caller runs inside an invoker's `run`.
 *
 * The engine's stack tells, as it also holds the functions that wait for the one that runs. It loses
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
  return stack.some((site) => site.getFunctionName() === MARK);
}
