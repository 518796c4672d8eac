import type {
  DecisionLog,
  DecisionLogEntry,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
} from "../supervisor/mod.ts";
import { errorKindOf } from "./error_kind_of.ts";
import type { RunRecorder } from "./run_recorder.ts";
import type { AttemptEnd } from "./types.ts";

/** What an attempt's own process knows of its end. */
type KnownEnd = Pick<AttemptEnd, "durationMs" | "message" | "error">;

/**
 * Records the begin of each attempt before the work begins, and its end when the supervisor has decided
 * on it: then the capture journal has it.
 */
export class RecordingInvoker implements RuntimeInvoker, DecisionLog {
  /** Why the run has failed; undefined as long as it has not. */
  failure: string | undefined;
  readonly #invoker: RuntimeInvoker;
  readonly #recorder: RunRecorder;
  readonly #payloads = new Map<string, unknown>();
  readonly #ends = new Map<string, KnownEnd>();

  constructor(invoker: RuntimeInvoker, recorder: RunRecorder) {
    this.#invoker = invoker;
    this.#recorder = recorder;
  }

  /** Work is to come. */
  add(id: string, payload: unknown): void {
    if (this.#payloads.has(id)) {
      throw new TypeError(`Cannot submit "${id}" twice: attempts at it could not be told apart`);
    }
    if (id.startsWith(":")) {
      throw new TypeError(`Cannot submit "${id}": what begins with ':' is for the supervisor`);
    }
    this.#payloads.set(id, payload);
  }

  /** Does the work. */
  async run(request: RunRequest): Promise<RunTermination> {
    const { eventId: nodeId, attempt } = request;
    const input = this.#payloads.get(nodeId);
    await this.#recorder.nodeStarted({ nodeId, attempt, kind: "task", input });
    const key = `${nodeId}#${attempt}`;
    const begin = performance.now();
    const durationMs = () => Math.round(performance.now() - begin);
    this.#ends.set(key, {});
    try {
      const termination = await this.#invoker.run(request);
      this.#ends.set(key, { durationMs: durationMs() });
      return termination;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#ends.set(key, { durationMs: durationMs(), error, message });
      throw error;
    }
  }

  /** Takes a decision. */
  async log(entry: DecisionLogEntry): Promise<void> {
    const { originEventId: nodeId, attemptTermination: termination, decision } = entry;
    if (nodeId === null) return;
    const isLast = decision === "Finish";
    if (termination !== null) {
      // A retry counts itself already.
      const attempt = entry.retry_count + (isLast ? 1 : 0);
      const key = `${nodeId}#${attempt}`;
      const known = this.#ends.get(key);
      this.#ends.delete(key);
      // One that was refused has no begin in the log, and so no end.
      if (known !== undefined) {
        await this.#recorder.nodeEnded({ nodeId, attempt }, { ...known, termination });
      }
      if (isLast && termination !== "Completed") {
        this.failure ??= `node ${nodeId} failed: ${errorKindOf(termination)}`;
      }
    }
    if (decision === "Skip") this.failure ??= `node ${nodeId} was skipped: ${entry.reason}`;
  }
}
