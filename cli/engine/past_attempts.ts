import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { RunRecorder } from "../../run/run_recorder.ts";
import type { AttemptEnd, NodeAttempt } from "../../run/types.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { nodeAttemptOf } from "../flow/node_event.ts";
import type { AttemptPlace } from "./types.ts";

/** Says of an attempt that has no end of its own why that is. */
const CUT_OFF = "cut off: the process that supervised it died";

/** An attempt that the capture journal knows. */
interface JournalAttempt extends NodeAttempt {
  /** How it ended; null when nobody has seen that. */
  termination: RunTermination | null;
}

/**
 * The attempts of a run that another process began: what the journal and the log have of them.
 *
 * The journal is written first and is the truth; the log, and the store behind it, may lack the end of
 * what it has. So each attempt is in one of four states, and each leads to one thing that is done once:
 *
 * | Journal   | Log                   | What is done                                           |
 * | --------- | --------------------- | ------------------------------------------------------ |
 * | its end   | its end               | nothing                                                |
 * | its end   | its begin             | the end is logged, as far as it is still in the files  |
 * | its end   | nothing               | both are logged, unless it was refused before it began |
 * | its begin | its begin, or nothing | what is left of it is ended, and it is made again      |
 *
 * In the last case the session decides that the attempt was cut off; what it decides is logged then.
 * What the log has is asked of the recorder's own fold, so that whatever it has logged meanwhile counts.
 */
export class PastAttempts {
  readonly #recorder: RunRecorder;
  readonly #place: AttemptPlace;
  /** Those that were cut off: the log may have one as running that this process has begun. */
  readonly #cutOff = new Set<string>();

  /** `recorder`: knows what the log has; `place`: what is left of the attempts. */
  constructor(recorder: RunRecorder, place: AttemptPlace) {
    this.#recorder = recorder;
    this.#place = place;
  }

  /** Has all records of attempts brought up to the journal. */
  async recordEnds(recovered: RecoveredCapture): Promise<void> {
    for (const { termination, ...attempt } of journalAttempts(recovered)) {
      const logged = this.#find(attempt);
      // What the log has, the store was brought up to before.
      if (termination === null || (logged !== undefined && logged.status !== "Running")) continue;
      if (logged === undefined) {
        // One that was refused has not begun; of any other the log has lost the begin.
        if (termination === "Aborted") continue;
        await this.#recorder.nodeStarted({ ...attempt, kind: "command" });
      }
      const end: AttemptEnd = termination === "Aborted"
        ? { termination, message: CUT_OFF }
        : await this.#place.readPastEnd(attempt, termination);
      await this.#recorder.nodeEnded(attempt, end);
    }
  }

  /** The attempts whose ends nobody has seen. */
  cutOff(recovered: RecoveredCapture): NodeAttempt[] {
    const cutOff = journalAttempts(recovered).filter(({ termination }) => termination === null);
    for (const attempt of cutOff) this.#cutOff.add(attemptKey(attempt));
    return cutOff.map(({ nodeId, attempt }) => ({ nodeId, attempt }));
  }

  /** How an attempt ended that was cut off, as is to be logged now; undefined for any other. */
  openEnd(attempt: NodeAttempt, termination: RunTermination): AttemptEnd | undefined {
    const isCutOff = this.#cutOff.has(attemptKey(attempt));
    if (!isCutOff || this.#find(attempt)?.status !== "Running") return undefined;
    return termination === "Completed" ? { termination } : { termination, message: CUT_OFF };
  }

  /** The digest of what a completed attempt printed. */
  outputHash(attempt: NodeAttempt): string | undefined {
    return this.#find(attempt)?.output_hash;
  }

  #find(attempt: NodeAttempt): AttemptInfo | undefined {
    return loggedAttempt(this.#recorder.fold, attempt);
  }
}

/** What a log says of an attempt; undefined when it has nothing of it. */
export function loggedAttempt(
  fold: RunFold,
  { nodeId, attempt: number }: NodeAttempt,
): AttemptInfo | undefined {
  return fold.attemptsOf(nodeId).findLast(({ attempt }) => attempt === number);
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
