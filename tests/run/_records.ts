/** What the five records of a run must have in common; each is read with its own module alone. */
import { assert, assertEquals } from "@std/assert";
import {
  assertReplays,
  type CaptureBundle,
  readCaptureBundle,
  recoverCapture,
} from "../../capture/mod.ts";
import { readRunSync, type RunEvent, verifyRun } from "../../eventlog/mod.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import type { RunView } from "../../run/mod.ts";
import {
  FsRuntimeStore,
  runtimeDirectory,
  RuntimeStoreError,
  verifyStore,
  type WorkerSummary,
} from "../../store/mod.ts";
import { Supervisor } from "../../supervisor/mod.ts";
import { isThere } from "../_util/files.ts";
import { assertOriginalReads } from "../_util/original_events.ts";
import { readTrace } from "../../trace/mod.ts";

/** What a test looks at in an event. */
export type LogEvent = RunEvent & {
  node_id?: string;
  name?: string;
  attempt?: number;
  duration_ms?: number;
  message?: string;
  reason?: string;
  resumed?: true;
  error?: { kind: string; cancelled?: boolean; exit_code?: number; signal?: string };
};

/** Where a run is. */
export interface Place {
  root: string;
  runId: string;
}

/** An attempt at a node, as one of the records has it. */
interface RecordedAttempt {
  objective: string;
  status: string;
  transcript: string[];
}

/** All events of a log without gaps. */
export function logOf({ root, runId }: Place): LogEvent[] {
  return [...readRunSync<LogEvent>(root, runId)].flatMap(({ events, gaps }) => {
    assertEquals(gaps, []);
    return events.map(({ event }) => event);
  });
}

/** Resolves when the log of a run has an event of this type, of this node if one is named. */
export async function untilTold(
  { view }: { view: RunView },
  type: string,
  nodeId?: string,
): Promise<void> {
  for await (const stored of view.events.follow()) {
    if (!("event" in stored) || stored.event.type !== type) continue;
    if (nodeId === undefined || Reflect.get(stored.event, "node_id") === nodeId) return;
  }
  throw new Error(`The run ended without ${type} ${nodeId ?? ""}`);
}

function keyOf({ node_id: id, attempt }: LogEvent): string {
  return `${id}#${attempt}`;
}

/** What a transcript calls the kinds of failures. */
const WORDS: Record<string, string> = {
  crash: "failed",
  timeout: "timed out",
  host_missing: "could not be started",
};

function kindOf({ kind, cancelled }: { kind: string; cancelled?: boolean }): string {
  return cancelled ? "cancelled" : kind;
}

function isEnd({ type }: LogEvent): boolean {
  return type === "node.completed" || type === "node.failed";
}

function closingLine({ type, error, message }: LogEvent): string {
  if (type === "node.completed") return "completed";
  const { exit_code: code, signal } = error!;
  const kind = WORDS[kindOf(error!)] ?? kindOf(error!);
  const how = code !== undefined ? `, exit code ${code}` : signal ? `, ended by ${signal}` : "";
  return message === undefined ? kind + how : `${kind}${how}\n${message}`;
}

/** The workers that a log asks for, in the order of their begin. */
export function workersAskedBy(events: LogEvent[]): RecordedAttempt[] {
  const isOver = events.some(({ type }) => type === "pipe.completed");
  return events.filter(({ type }) => type === "node.started").map((begin) => {
    const objective = keyOf(begin);
    const transcript = [`user ${begin.name ?? begin.node_id}`];
    const end = events.find((event) => isEnd(event) && keyOf(event) === objective);
    if (end === undefined) {
      return { objective, status: isOver ? "stopped" : "running", transcript };
    }
    transcript.push(`system ${closingLine(end)}`);
    const isCancelled = end.error !== undefined && kindOf(end.error) === "cancelled";
    const status = isCancelled ? "cancelled" : "stopped";
    return { objective, status, transcript };
  });
}

/** The workers that a store has; none where the run has no store yet, or there was no room to make one. */
export async function workersOf({ root, runId }: Place): Promise<RecordedAttempt[]> {
  if (!isThere(runtimeDirectory(root, runId))) return [];
  await using store = await FsRuntimeStore.open({ root, runtimeId: runId, readOnly: true })
    .catch(noneIfMissing);
  if (store === undefined) return [];
  assertEquals(store.problems, []);
  const workers: WorkerSummary[] = store.listWorkers({ limit: 10_000 });
  return await Promise.all(workers.map(async ({ worker_ref: ref, intent, status }) => {
    assert(intent.kind === "task");
    const { items } = await store.readTranscript(ref, { start: 0, limit: 10 });
    const transcript = items.map(({ role, content }) => `${role} ${content}`);
    return { objective: intent.objective, status, transcript };
  }));
}

function noneIfMissing(error: unknown): undefined {
  if (!(error instanceof RuntimeStoreError) || error.kind !== "store-missing") throw error;
}

/** Each attempt in the log is exactly one worker of the run's runtime, in the same order. */
export async function checkWorkers(place: Place, events = logOf(place)): Promise<void> {
  assertEquals(await workersOf(place), workersAskedBy(events));
  const { problems, runtimes } = await verifyStore(place.root, { runtimeId: place.runId });
  assertEquals(problems, []);
  assertEquals(runtimes.length, 1);
  await using store = await FsRuntimeStore.open({
    root: place.root,
    runtimeId: place.runId,
    readOnly: true,
  });
  const isOver = events.some(({ type }) => type === "pipe.completed");
  assertEquals(store.summary().status, isOver ? "stopped" : "running");
}

const KINDS: Record<string, string> = {
  Completed: "completed",
  TimedOut: "timeout",
  Aborted: "cancelled",
};

/** How each attempt that was begun ended as the capture has it, as the log would call it. */
export function endsInCapture(bundle: CaptureBundle): Map<string, string> {
  assert("inputs" in bundle);
  const origins = new Map(
    bundle.decisions.map(({ episode_id, origin_event_id }) => [episode_id, origin_event_id]),
  );
  const firstAttempts = new Map<string | null, number>();
  const ends = new Map<string, string>();
  for (const input of bundle.inputs) {
    if (input.type === "event") firstAttempts.set(input.event_id, input.first_attempt ?? 1);
    if (input.type !== "completion" || Reflect.get(input.end ?? {}, "begun") === false) continue;
    const { episode_id, attempt, termination } = input;
    const kind = typeof termination === "string" ? KINDS[termination]! : "crash";
    const eventId = origins.get(episode_id)!;
    const number = firstAttempts.get(eventId)! + attempt - 1;
    ends.set(`${eventId.replace(/#\d+$/, "")}#${number}`, kind);
  }
  return ends;
}

/** How each attempt ended as the log has it. */
export function endsInLog(events: LogEvent[]): Map<string, string> {
  return new Map(
    // The end of a wait at a gate is none of an attempt.
    events.filter((event) => isEnd(event) && event.error?.kind !== "gate_failed").map((event) => {
      return [keyOf(event), event.error === undefined ? "completed" : kindOf(event.error)];
    }),
  );
}

/** The program that has recorded last. */
function lastRuntimeOf(bundle: CaptureBundle): string {
  const notes = "notes" in bundle ? bundle.notes ?? [] : [];
  const resumed = notes.filter((note) => note.type === "resumed").at(-1);
  return resumed?.runtime_provenance ?? bundle.runtime_provenance;
}

/** The journal and the bundle are whole, and replay strictly. */
export async function checkCapture(place: Place): Promise<CaptureBundle> {
  const { journal, bundle: path } = runPaths(place.root, place.runId);
  const bundle = await readCaptureBundle(path);
  const recovered = await recoverCapture(journal);
  assertEquals(recovered.damage, null);
  assertEquals([recovered.undecided, recovered.interrupted], [[], []]);
  assertEquals(recovered.bundle, bundle);
  await assertReplays(bundle, {
    createSupervisor: (options) => new Supervisor(options),
    strict: true,
    expected: {
      adapterProvenance: bundle.adapter_provenance,
      runtimeProvenance: lastRuntimeOf(bundle),
    },
  });
  return bundle;
}

/** Of a run that came to its end all five records tell the same. */
export async function checkRecords(
  place: Place,
  { otherTypes = [] }: { otherTypes?: string[] } = {},
): Promise<LogEvent[]> {
  const events = logOf(place);
  assertOriginalReads(place.root, place.runId, { otherTypes });
  assertEquals((await verifyRun(place.root, place.runId)).problems, []);
  const ends = endsInLog(events);
  assertEquals(new Set(ends), new Set(endsInCapture(await checkCapture(place))));
  await checkWorkers(place);
  const begun = events.filter(({ type }) => type === "node.started").map(keyOf);
  assertEquals(new Set(begun), new Set(ends.keys()));
  assertEquals(begun.length, ends.size);
  return events;
}

/** The steps of a run whose trace was written at its end are its attempts. */
export async function checkTrace(place: Place): Promise<void> {
  const { run_id: runId, steps } = await readTrace(runPaths(place.root, place.runId).trace);
  assertEquals(runId, place.runId);
  const events = logOf(place);
  const ends = endsInLog(events);
  assertEquals(
    steps.toSorted((a, b) => a.step! - b.step!).map((
      { execution_id, node_id, attempt, status, started_at, duration_ms },
    ) => [
      execution_id,
      `${node_id}#${attempt}`,
      status,
      started_at,
      duration_ms,
    ]),
    events.filter(({ type }) => type === "node.started").map((event) => {
      const key = keyOf(event);
      const end = events.find((other) => isEnd(other) && keyOf(other) === key)!;
      const duration = end.duration_ms ?? Date.parse(end.ts) - Date.parse(event.ts);
      return [key, key, ends.get(key) === "completed" ? "ok" : "error", event.ts, duration];
    }),
  );
}
