/**
 * The trace of a run in a database, where none is written while it runs: made of the log and the journal, as it
 * would have been written beside files. Whatever a trace says, a recorder makes of the same begins and ends.
 */
import { defined } from "../../_internal/errors.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import type { EndedAttempt } from "../../run/engine/lifecycle.ts";
import type { Payload } from "../../run/engine/types.ts";
import { pagesOf, readLogOf } from "../../run/engine/run_log.ts";
import { openTrace, type RunTrace } from "../../run/run_trace.ts";
import { readTrace } from "../../trace/read_trace.ts";
import type { TraceEnvelope } from "../../trace/types.ts";
import { isFromMissingFile } from "../files.ts";
import { readFlowRecord } from "../flow/flow_record.ts";
import { describeNode } from "../flow/node_event.ts";
import type { RunPlace } from "./open_root.ts";

/** How many steps it keeps, the newest. */
const TRACED_STEPS = 200;

/** The trace of a run; undefined where nothing in it failed. */
export async function deriveTrace(place: RunPlace): Promise<TraceEnvelope | undefined> {
  const { view } = place;
  const { fold } = await readLogOf(view);
  const ends = new Map<string, EndedAttempt>();
  const onEnd = (ended: EndedAttempt) => ends.set(attemptKey(ended), ended);
  JournalHistory.of(await recoverCapture(view.journal), fold, { onEnd });
  const folder = await Deno.makeTempDir({ prefix: "taffrail-trace-" });
  try {
    const { runId } = view;
    const { directory, trace: path } = runPaths(folder, runId);
    await Deno.mkdir(directory, { recursive: true });
    const trace = { mode: "on", bufferSize: TRACED_STEPS, captureInputs: true } as const;
    const inputOf = (payload: Payload) => Object.keys(payload).length === 0 ? null : payload;
    const how = { trace, onSignal: "none", inputOf } as const;
    using opened = openTrace({ path, runId, name: fold.run.pipe, ...how });
    await follow(place, opened.trace, ends);
    const { state } = fold.run;
    if (state === "Completed") await opened.trace.finish();
    else if (state !== "Running") await opened.trace.finish(state.Aborted.reason);
    const made = await readTrace(path).catch((error) => {
      if (isFromMissingFile(error)) return undefined;
      throw error;
    });
    // It is about then, and not about now.
    const times = { started_at: fold.startedTs, written_at: fold.run.last_ts ?? undefined };
    return made && { ...made, ...defined(times) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Tells of begins and ends in the order of the log. */
async function follow(
  place: RunPlace,
  trace: RunTrace,
  ends: ReadonlyMap<string, EndedAttempt>,
): Promise<void> {
  const record = await readFlowRecord(place);
  const nodes = new Map(record?.nodes.map((node) => [node.id, node]));
  for await (const { events } of pagesOf(place.view)) {
    for (const { event } of events) {
      if (!("node_id" in event) || typeof event.node_id !== "string") continue;
      const { node_id: nodeId, attempt = 1 } = event as { node_id: string; attempt?: number };
      if (event.type === "node.started") {
        const node = nodes.get(nodeId);
        const payload = node === undefined ? {} : { run: node.run, cwd: node.cwd, env: node.env };
        // What is no node of a flow is a step of a program.
        const text = node === undefined
          ? { kind: "command", task: nodeId } as const
          : describeNode(nodeId, { ...node });
        trace.attemptBegan({ nodeId, attempt }, { text, payload, at: Date.parse(event.ts) });
      } else {
        const ended = ends.get(attemptKey({ nodeId, attempt }));
        if (ended === undefined) continue;
        trace.attemptEnded({ nodeId, attempt }, { ...ended, end: ended.end ?? {} });
      }
    }
  }
}
