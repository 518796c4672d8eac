import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import type { AttemptEnd, NodeAttempt } from "../../run/types.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { nodeAttemptOf } from "../flow/node_attempt.ts";
import type { CutAttempt } from "../process/orphan_processes.ts";
import { hashOutput, outputPath, readOutputTail } from "../process/output.ts";
import type { LoggedAttempt, RunHistory } from "./run_history.ts";

/** Says of an attempt that has no end of its own why that is. */
const CUT_OFF = "cut off: the process that supervised it died";

const MESSAGE_LINES = 20;
const MESSAGE_CHARACTERS = 2000;

/** An attempt that the capture journal knows. */
interface JournalAttempt extends NodeAttempt {
  /** How it ended; null when nobody has seen that. */
  termination: RunTermination | null;
}

/** The attempts of a run that another process began: what the journal and the log tell of them. */
export class PastAttempts {
  readonly #run: { root: string; runId: string };
  readonly #logged: RunHistory["attempts"];

  constructor(run: { root: string; runId: string; history: RunHistory }) {
    this.#run = run;
    this.#logged = run.history.attempts;
  }

  /** Has all records of attempts brought up to the journal: it is written first, and is the truth. */
  async recordEnds(recovered: RecoveredCapture, recorder: RunRecorder): Promise<void> {
    for (const { nodeId, attempt, termination } of journalAttempts(recovered)) {
      const logged = this.#logged.get(attemptKey({ nodeId, attempt }));
      // What the log has, the store was brought up to before.
      if (termination === null || logged?.isEnded) continue;
      if (logged === undefined) {
        // One that was refused has not begun; of any other the log has lost the begin.
        if (termination === "Aborted") continue;
        await recorder.nodeStarted({ nodeId, attempt, kind: "command" });
      }
      const known = logged ?? { nodeId, attempt, process: undefined, isEnded: false };
      this.#logged.set(attemptKey(known), known);
      await recorder.nodeEnded(known, await this.#readEnd(known, termination));
      known.isEnded = true;
    }
  }

  /** The attempts whose ends nobody has seen, and their processes. */
  cutOff(recovered: RecoveredCapture): CutAttempt[] {
    return journalAttempts(recovered).filter(({ termination }) => termination === null)
      .map((attempt) => {
        return { ...attempt, process: this.#logged.get(attemptKey(attempt))?.process };
      });
  }

  /** How an attempt ended whose end is to be logged now; undefined when the log lacks none. */
  takeOpenEnd(attempt: NodeAttempt, termination: RunTermination): AttemptEnd | undefined {
    const logged = this.#logged.get(attemptKey(attempt));
    if (logged === undefined || logged.isEnded) return undefined;
    logged.isEnded = true;
    return termination === "Completed" ? { termination } : { termination, message: CUT_OFF };
  }

  /** The digest of what a completed attempt printed. */
  outputHash(attempt: NodeAttempt): string | undefined {
    return this.#logged.get(attemptKey(attempt))?.outputHash;
  }

  /** The same as when it had ended, but for what only its process could tell. */
  async #readEnd(logged: LoggedAttempt, termination: RunTermination): Promise<AttemptEnd> {
    const { nodeId, attempt } = logged;
    if (termination === "Completed") {
      const path = outputPath(this.#run, { nodeId, attempt, stream: "out" });
      const outputHash = await hashOutput(path).catch(() => undefined);
      if (outputHash === undefined) return { termination };
      logged.outputHash = outputHash;
      return { termination, outputHash };
    }
    if (termination === "Aborted") return { termination, message: CUT_OFF };
    const path = outputPath(this.#run, { nodeId, attempt, stream: "err" });
    const message = readOutputTail(path, MESSAGE_LINES).join("\n").slice(-MESSAGE_CHARACTERS);
    return { termination, message };
  }
}

/** Every attempt that was to begin, in order. */
export function journalAttempts({ bundle, interrupted }: RecoveredCapture): JournalAttempt[] {
  const origins = originsOf(bundle);
  const inputs = "inputs" in bundle ? bundle.inputs : [];
  const ended = inputs.filter((input) => input.type === "completion").map((input) => {
    const { episode_id: episodeId, attempt, termination } = input;
    return { ...nodeAttemptOf(origins.get(episodeId)!, attempt), termination };
  });
  const rest = interrupted.map(({ event_id: eventId, attempt, termination }) => {
    return { ...nodeAttemptOf(eventId, attempt), termination };
  });
  return [...ended, ...rest];
}

/** The events that the episodes were made for. */
function originsOf(bundle: CaptureBundle): Map<number, string> {
  const origins = new Map<number, string>();
  if (!("inputs" in bundle)) return origins;
  for (const { episode_id: episodeId, origin_event_id: eventId } of bundle.decisions) {
    if (eventId !== null) origins.set(episodeId, eventId);
  }
  return origins;
}
