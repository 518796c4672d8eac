import type {
  AttemptRef,
  DecisionLog,
  DecisionLogEntry,
  RunAnswer,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
} from "../supervisor/types.ts";
import { attemptKey, errorKindOf } from "./attempt_key.ts";
import type { RunRecorder } from "./run_recorder.ts";
import type { AttemptEnd, NodeAttempt } from "./types.ts";

/** An attempt whose begin is recorded and whose end is not. */
interface OpenAttempt extends NodeAttempt {
  beginMs: number;
  /** What this process knows of its end, once it has answered. */
  known?: Pick<AttemptEnd, "durationMs" | "message" | "error">;
}

/** What {@linkcode RecordingInvoker} works with. */
interface RecordingInvokerOptions {
  /** Does the work. */
  invoker: RuntimeInvoker;
  /** Records it. */
  recorder: RunRecorder;
  /** Ends the run. */
  signal: AbortSignal;
}

const MOST_ID_LENGTH = 1000;
const MOST_MESSAGE_LENGTH = 8000;

/**
 * Records the begin of each attempt before the supervisor calls the invoker, and its end when the
 * supervisor has decided on it: then the capture journal has it.
 */
export class RecordingInvoker implements RuntimeInvoker, DecisionLog {
  readonly #options: RecordingInvokerOptions;
  readonly #ids = new Set<string>();
  /** The work whose end is not decided on. */
  readonly #payloads = new Map<string, unknown>();
  readonly #open = new Map<string, OpenAttempt>();
  /** The begins that are being recorded. */
  readonly #beginning = new Set<Promise<unknown>>();
  #failure: string | undefined;

  constructor(options: RecordingInvokerOptions) {
    this.#options = options;
  }

  /** Why the run has not completed; undefined when it has. */
  get reason(): string | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const [left] = this.#payloads.keys();
    if (left === undefined) return undefined;
    return this.#options.signal.aborted ? "cancelled" : `node ${left} was never done`;
  }

  /** Work is to come. */
  add(id: string, payload: unknown): void {
    const problem = idProblem(id);
    if (problem !== undefined) {
      throw new TypeError(`Cannot submit ${JSON.stringify(id)}: ${problem}`);
    }
    if (this.#ids.has(id)) {
      throw new TypeError(
        `Cannot submit ${JSON.stringify(id)} twice: attempts at it could not be told apart`,
      );
    }
    this.#ids.add(id);
    this.#payloads.set(id, payload);
  }

  /**
   * Records the begin of an attempt. The supervisor calls it before the invoker, and no deadline passes
   * meanwhile. What it throws stops the supervisor, so that nothing goes on unrecorded.
   */
  async beforeRun(attempt: AttemptRef): Promise<void> {
    const begin = this.#begin(attempt);
    this.#beginning.add(begin);
    try {
      await begin;
    } finally {
      this.#beginning.delete(begin);
    }
  }

  async #begin({ eventId: nodeId, attempt }: AttemptRef): Promise<void> {
    const input = this.#payloads.get(nodeId);
    const begin = { nodeId, attempt, kind: "command", task: nodeId, input } as const;
    await this.#options.recorder.nodeStarted(begin);
    const open: OpenAttempt = { nodeId, attempt, beginMs: performance.now() };
    this.#open.set(attemptKey(open), open);
  }

  /** Does the work. */
  async run(request: RunRequest): Promise<RunTermination | RunAnswer> {
    const { eventId: nodeId, attempt } = request;
    const open = this.#open.get(attemptKey({ nodeId, attempt }))!;
    try {
      const answer = await this.#options.invoker.run(request);
      const problem = answerProblem(answer);
      open.known = { durationMs: durationOf(open), ...(problem && { message: problem }) };
      return answer;
    } catch (error) {
      open.known = { durationMs: durationOf(open), error, message: messageOf(error) };
      throw error;
    }
  }

  /** Takes a decision. */
  async log(entry: DecisionLogEntry): Promise<void> {
    const { originEventId: nodeId, attemptTermination: termination, decision, reason } = entry;
    if (nodeId === null) return;
    const isLast = decision === "Finish";
    if (termination !== null) {
      // A retry counts itself already.
      const attempt = entry.retry_count + (isLast ? 1 : 0);
      await this.#end(this.#open.get(attemptKey({ nodeId, attempt })), termination);
    }
    if (decision === "Skip") this.#failure ??= `node ${nodeId} was skipped: ${reason}`;
    else if (!isLast || termination === null) return;
    else if (termination === "Aborted" && this.#options.signal.aborted) return;
    else if (termination !== "Completed") {
      this.#failure ??= `node ${nodeId} failed: ${errorKindOf(termination)}`;
    }
    this.#payloads.delete(nodeId);
  }

  /** Ends what has begun only after its end was decided on, once nothing runs any more. */
  async endUnrun(): Promise<void> {
    await this.#begun();
    for (const open of [...this.#open.values()]) await this.#end(open, "Aborted");
  }

  /** Records of the attempts that are left, as far as that is possible, that nobody decides on them. */
  async abandon(why: string): Promise<void> {
    await this.#begun();
    for (const open of [...this.#open.values()]) {
      open.known = { ...open.known, message: `its end was not recorded: ${why}` };
      // The log may take what the store does not.
      await this.#end(open, "Aborted").catch(() => {});
    }
  }

  /** A begin that is being recorded may outlast the supervisor, which then waits for it no longer. */
  async #begun(): Promise<void> {
    await Promise.allSettled(this.#beginning);
  }

  /** One whose begin was not recorded gets no end either. */
  async #end(open: OpenAttempt | undefined, termination: RunTermination): Promise<void> {
    if (open === undefined) return;
    this.#open.delete(attemptKey(open));
    const { recorder } = this.#options;
    await recorder.nodeEnded(open, { durationMs: durationOf(open), ...open.known, termination });
  }
}

/** What was thrown, in words that every record takes. */
export function messageOf(error: unknown): string {
  let text: string;
  try {
    text = String(error instanceof Error ? error.message : error);
  } catch {
    text = "what was thrown has no words";
  }
  return text.slice(0, MOST_MESSAGE_LENGTH).toWellFormed();
}

/** What is wrong with an answer that the supervisor takes for a failure; undefined if nothing is. */
function answerProblem(answer: unknown): string | undefined {
  if (["Completed", "TimedOut", "Aborted"].includes(answer as string)) return undefined;
  if (typeof answer === "object" && answer !== null) {
    if ("Failed" in answer || "termination" in answer) return undefined;
  }
  const found = typeof answer === "string" ? JSON.stringify(answer) : messageOf(answer);
  return `the invoker answered ${found}; "Completed", "TimedOut", "Aborted" or { Failed } is expected`;
}

function idProblem(id: string): string | undefined {
  if (typeof id !== "string" || id.trim() === "") return "an id is a text that is not blank";
  if (id.startsWith(":")) return "what begins with ':' is for the supervisor";
  if (id.length > MOST_ID_LENGTH) return `an id has at most ${MOST_ID_LENGTH} characters`;
  return id.isWellFormed() ? undefined : "it has a lone surrogate";
}

function durationOf({ beginMs }: OpenAttempt): number {
  return Math.round(performance.now() - beginMs);
}
