/**
 * What is left for the holder of a run: a line a message, appended beside whoever holds it. What is always
 * true:
 *
 * 1. **A message is on disk when its sender is answered**, and so are, by its root, the names that lead to it.
 * 2. **The same message, sent again by who does not know whether it arrived, is there once**: it is known
 *    by its `op`, and two that send it at the same time append behind what they have read, or not at all.
 */
import { type AppendFailure, AppendFile } from "../../_internal/append_file.ts";
import { type FilePort, runSteps } from "../../_internal/file_port.ts";
import { lockBesidePath, runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { viewRun } from "../../eventlog/file_event_log.ts";
import type { InboxMessage } from "../types.ts";
import { encodeMessage } from "../root_arguments.ts";
import { runError } from "../run_error.ts";

const PAGE = 10_000;

/** A run, and how long to wait for others that append. */
interface Inbox {
  port: FilePort;
  root: string;
  runId: string;
  lockTimeoutMs: number;
}

/** Leaves a message. */
export async function postMessage(inbox: Inbox, message: InboxMessage): Promise<void> {
  const text = encodeMessage(message);
  const { port, root, runId, lockTimeoutMs } = inbox;
  const { inbox: path } = runPaths(root, runId);
  const details = { runId, path };
  const toError = ({ kind, cause, problem }: AppendFailure) => {
    if (kind === "conflict") return new OthersCame();
    const locked = `its lock was not given up (${kind})`;
    const why = problem ?? (cause === undefined ? locked : reasonOf(cause));
    const message = `Cannot leave a message in ${path}: ${why}`;
    return runError(kind === "sync" ? "sync" : "io", message, { details, cause });
  };
  const file = await runSteps(
    AppendFile.open({ port, path, lockPath: lockBesidePath(path), lockTimeoutMs, toError }),
  );
  try {
    while (!await appendOnce(inbox, file, { text, op: message.op })) {
      /* Others came in between. */
    }
  } finally {
    await file.close();
  }
}

/** Appends the message unless it is there; false when others have appended meanwhile. */
async function appendOnce(
  { root, runId }: Inbox,
  file: AppendFile,
  { text, op }: { text: string; op: string },
): Promise<boolean> {
  const { lines, ops } = await readOps(root, runId);
  if (ops.has(op)) {
    // The one who sent it before may have been killed before it was on disk.
    await file.sync();
    return true;
  }
  try {
    await file.append({ lines: [text], onDisk: true, expectedLastSeq: lines });
    return true;
  } catch (error) {
    if (error instanceof OthersCame) return false;
    throw error;
  }
}

class OthersCame extends Error {}

async function readOps(root: string, runId: string): Promise<{ lines: number; ops: Set<unknown> }> {
  const view = viewRun<{ op?: unknown }>(root, runId, { lines: "inbox" });
  const ops = new Set<unknown>();
  let lines = 0;
  let after: string | number = 0;
  for (;;) {
    const { events, gaps, next, hasMore } = await view.read({ after, limit: PAGE });
    for (const { event, seq } of events) {
      ops.add(event.op);
      lines = Math.max(lines, seq);
    }
    for (const { seq, reason } of gaps) if (reason !== "torn") lines = Math.max(lines, seq);
    if (!hasMore) return { lines, ops };
    after = next;
  }
}
