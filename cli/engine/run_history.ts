import type { PipeState } from "../../eventlog/derive_run_state.ts";
import { readRunSync } from "../../eventlog/read_run.ts";
import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { NodeAttempt, ProcessIdentity } from "../../run/types.ts";
import { runEventProblem } from "../reading/check_event.ts";

/** What the log of a run tells of an attempt. */
export interface LoggedAttempt extends NodeAttempt {
  /** Its process. */
  process: ProcessIdentity | undefined;
  /** Whether it has an end. */
  isEnded: boolean;
  /** The digest of what it printed, when it completed. */
  outputHash?: string;
}

/** What the log of a run tells, for whoever goes on with the run. */
export interface RunHistory {
  /** When the run began; undefined when it has not. */
  startedTs: string | undefined;
  /** What became of it. */
  state: PipeState;
  /** The id of its last event. */
  lastEventId: string | undefined;
  /** The attempts that have begun, by {@linkcode attemptKey}. */
  attempts: Map<string, LoggedAttempt>;
}

const ULID = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/;

/** Reads the log of a run. What cannot be read in it tells nothing: the capture journal is the truth. */
export function readRunHistory(root: string, runId: string): RunHistory {
  const history: RunHistory = {
    startedTs: undefined,
    state: "Running",
    lastEventId: undefined,
    attempts: new Map(),
  };
  for (const { events } of readRunSync<RunEvent>(root, runId)) {
    for (const { event } of events) {
      if (runEventProblem(event) === undefined) takeEvent(history, event);
    }
  }
  return history;
}

function takeEvent(history: RunHistory, event: RunEvent): void {
  if (ULID.test(event.id)) history.lastEventId = event.id;
  if (!isKnownRunEvent(event)) return;
  switch (event.type) {
    case "pipe.started":
      history.startedTs ??= event.ts;
      break;
    case "pipe.completed":
      history.state = "Completed";
      break;
    case "pipe.aborted":
      history.state = { Aborted: { reason: event.reason } };
      break;
    case "node.started":
      attemptOf(history, event);
      break;
    case "node.spawned": {
      const { pid, start_time: startTime, boot_id: bootId } = event;
      attemptOf(history, event).process = {
        pid,
        ...(startTime !== undefined && { startTime }),
        ...(bootId !== undefined && { bootId }),
      };
      break;
    }
    case "node.completed": {
      const { output_hash: outputHash } = event;
      const end = outputHash === undefined ? {} : { outputHash };
      Object.assign(attemptOf(history, event), { isEnded: true, ...end });
      break;
    }
    case "node.failed":
      attemptOf(history, event).isEnded = true;
      break;
  }
}

function attemptOf(
  { attempts }: RunHistory,
  { node_id: nodeId, attempt = 1 }: { node_id: string; attempt?: number },
): LoggedAttempt {
  const key = attemptKey({ nodeId, attempt });
  const known = attempts.get(key) ?? { nodeId, attempt, process: undefined, isEnded: false };
  attempts.set(key, known);
  return known;
}
