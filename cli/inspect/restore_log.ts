/** The log of a run, as far as its capture journal knows it. */
import { defined } from "../../_internal/errors.ts";
import { partsOfRunId, timeOfUlid } from "../../_internal/root_layout.ts";
import { VERSION } from "../../_internal/version.ts";
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { CompletionInputRecord, DecisionRecord, InputRecord } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { newEventId, type RunEvent } from "../../eventlog/run_event.ts";
import { attemptKey, errorKindOf } from "../../run/attempt_key.ts";
import type { NodeAttempt } from "../../run/types.ts";
import type { EventTime } from "../../supervisor/types.ts";
import { loggedAttempt } from "../engine/past_attempts.ts";
import type { FlowRecord } from "../flow/flow_record.ts";
import { nodeAttemptOf } from "../flow/node_event.ts";
import { commandLine } from "../text/printable.ts";
import { outputHashOf } from "./inspect_capture.ts";

/** What a log is written again from. */
interface LogSources {
  /** The run. */
  runId: string;
  /** What the log has. */
  fold: RunFold;
  /** Its journal. */
  recovered: RecoveredCapture;
  /** Its flow. */
  record: FlowRecord;
  /** Whether the session has its end: only then the end of the run is known. */
  isClosed: boolean;
}

type Body = { type: string; at: number } & Record<string, unknown>;

/**
 * The events that a log lacks of what the journal has, to be appended to it: begins and ends of attempts in
 * the order of the journal, with their times, and at last the end of the run. What only the process of an
 * attempt knew, as its exit code, is lost.
 */
export function missingEvents(sources: LogSources): RunEvent[] {
  const { runId, fold, record, recovered, isClosed } = sources;
  if (fold.state().state !== "Running") return [];
  const attempts = attemptBodies(sources);
  const first = attempts[0]?.at ?? Date.now();
  const bodies: Body[] = [];
  if (!fold.hasBegun && fold.state().nodes.length === 0) {
    const ulid = partsOfRunId(runId)?.ulid;
    bodies.push({
      type: "pipe.started",
      at: ulid === undefined ? first : Math.min(timeOfUlid(ulid), first),
      pipe: record.name,
      inputs: [],
      distro_version: VERSION,
      nodes: record.nodes.map(({ id }) => id),
    });
  }
  bodies.push(...attempts);
  const end = isClosed ? endOfRun(recovered, record) : undefined;
  if (end !== undefined) bodies.push({ ...end, at: attempts.at(-1)?.at ?? timeOfLast(recovered) });
  let after = fold.lastEventId;
  return bodies.map(({ type, at, ...members }) => {
    after = newEventId(defined({ after }));
    const ts = new Date(at).toISOString();
    return { type, id: after, ts, run_id: runId, ...defined(members) } as RunEvent;
  });
}

/** Each input of a concurrent session has led to one decision. */
function stepsOf(
  { bundle }: RecoveredCapture,
): { input: InputRecord; decision: DecisionRecord }[] {
  if (!("inputs" in bundle)) return [];
  return bundle.decisions.map((decision, index) => ({ input: bundle.inputs[index]!, decision }));
}

function attemptBodies({ fold, recovered, record }: LogSources): Body[] {
  const bodies: Body[] = [];
  const begins = new Map<string, number>();
  const origins = new Map<number, string>();
  for (const { input, decision } of stepsOf(recovered)) {
    const at = timeOf(input);
    if (decision.origin_event_id !== null) {
      origins.set(decision.episode_id, decision.origin_event_id);
    }
    if (input.type === "completion") {
      const attempt = nodeAttemptOf(origins.get(input.episode_id)!, input.attempt);
      const info = loggedAttempt(fold, attempt);
      const began = begins.get(attemptKey(attempt));
      // One that was aborted may never have begun.
      const isMissing = info === undefined
        ? input.termination !== "Aborted"
        : info.status === "Running";
      if (isMissing) {
        if (info === undefined) bodies.push(beginBody(attempt, record, began ?? at));
        bodies.push(endBody(attempt, { input, decision, began }));
      }
    }
    if (decision.decision !== "Invoke" || decision.origin_event_id === null) continue;
    const begun = nodeAttemptOf(decision.origin_event_id, decision.retry_count + 1);
    begins.set(attemptKey(begun), at);
  }
  for (const { event_id: eventId, attempt: number } of recovered.interrupted) {
    const attempt = nodeAttemptOf(eventId, number);
    const began = begins.get(attemptKey(attempt));
    if (loggedAttempt(fold, attempt) !== undefined) continue;
    // Whether it has begun nobody knows; what is left of it has to be looked for.
    bodies.push(beginBody(attempt, record, began ?? Date.now()));
  }
  return bodies;
}

function beginBody({ nodeId, attempt }: NodeAttempt, record: FlowRecord, at: number): Body {
  const run = record.nodes.find(({ id }) => id === nodeId)?.run;
  const name = run && commandLine(run);
  return { type: "node.started", at, node_id: nodeId, kind: "command", name, attempt };
}

function endBody(
  { nodeId, attempt }: NodeAttempt,
  { input, decision, began }: {
    input: CompletionInputRecord;
    decision: DecisionRecord;
    began: number | undefined;
  },
): Body {
  const { termination } = input;
  const at = timeOf(input);
  const body = {
    at,
    node_id: nodeId,
    duration_ms: began === undefined ? undefined : Math.max(0, at - began),
    attempt,
  };
  if (termination === "Completed") {
    return { type: "node.completed", ...body, output_hash: outputHashOf(decision) };
  }
  const kind = errorKindOf(termination);
  const error = kind === "cancelled" ? { kind: "crash", cancelled: true } : { kind };
  return { type: "node.failed", ...body, error };
}

/** How a run ended whose session did; one that was broken off can be gone on with. */
function endOfRun(
  recovered: RecoveredCapture,
  { nodes }: FlowRecord,
): { type: string; reason?: string } | undefined {
  const completed = new Set<string>();
  for (const { decision } of stepsOf(recovered)) {
    const { origin_event_id: eventId, decision: what, attempt_termination: termination } = decision;
    if (what !== "Finish" || eventId === null || termination === null) continue;
    const { nodeId } = nodeAttemptOf(eventId, 1);
    if (termination === "Completed") completed.add(nodeId);
    else if (termination !== "Aborted") {
      const reason = `node ${nodeId} failed: ${errorKindOf(termination)}`;
      return { type: "pipe.aborted", reason };
    }
  }
  return nodes.every(({ id }) => completed.has(id)) ? { type: "pipe.completed" } : undefined;
}

function timeOf(input: InputRecord): number {
  return millisecondsOf(input.type === "event" ? input.event_time : input.at);
}

function timeOfLast(recovered: RecoveredCapture): number {
  const last = stepsOf(recovered).at(-1);
  return last === undefined ? Date.now() : timeOf(last.input);
}

function millisecondsOf({ secs, nanos }: EventTime): number {
  return secs * 1000 + Math.floor(nanos / 1e6);
}
