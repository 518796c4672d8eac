/**
 * Copies a run to another root, as it is. What is always true:
 *
 * - **Nobody works on the run meanwhile**: one that is held is refused, and one that was held in between is not
 *   made whole. What is posted to it meanwhile stays with the original.
 * - **The copy is whole or none**: what was cut off has left nothing that anybody could take for a run, and is begun
 *   anew.
 * - Every line stands where it stood, byte for byte, those too that nobody can read. Only the log and the trace of a
 *   run that gets another id say that id; a line that is too long for any reader is replaced by one that says so.
 * - The key by which a root digests values stays where it is, and processes belong to the root that has started them.
 */
import { isObject } from "../../_internal/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type {
  NodeAttempt,
  OutputRef,
  ReceivedRun,
  RunDocument,
  RunsRoot,
  RunStream,
  RunView,
} from "../../run/types.ts";
import { readLogOf } from "../../run/engine/run_log.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { DIGEST_OF_NOTHING } from "../process/output_file.ts";
import { attemptsIn, processLinesOf } from "../process/process_log.ts";
import { processText } from "../process/processes.ts";
import { readRunHistory } from "../reading/run_history.ts";

/** The streams in the order in which they are copied: a log that is read later is not ahead of its journal. */
const STREAMS = ["capture", "events", "processes", "inbox"] as const;
const DOCUMENTS = ["run.json", "flow.json", "trace.json", "capture.json"] as const;

/** What is handed over at once. */
const BATCH_LINES = 1000;
const BATCH_BYTES = 1024 ** 2;

/** What was copied. */
export interface CopiedRun {
  /** How many lines of each stream. */
  lines: Record<RunStream | "events", number>;
  /** Which documents. */
  documents: RunDocument[];
  /** How many outputs of attempts. */
  outputs: number;
  /** How many bytes all that has. */
  bytes: number;
  /** How many lines were too long to be copied, and are replaced. */
  replaced: number;
}

/** Which run is copied, and where to. */
interface CopyOptions {
  from: RunsRoot;
  runId: string;
  to: RunsRoot;
  /** The id that it gets. */
  newId: string;
  /** Told what has been copied so far. */
  onProgress: (copied: CopiedRun) => void;
}

/** Copies a run. */
export async function copyRun(options: CopyOptions): Promise<CopiedRun> {
  const { from, runId, to, newId } = options;
  const view = from.view(runId);
  await refuseHeld(view);
  const lastSeq = await view.events.lastSeq();
  await using received = await to.receive(newId);
  const copy = new Copy(view, received, options);
  for (const stream of STREAMS) await copy.lines(stream);
  for (const name of DOCUMENTS) await copy.document(name);
  for await (const { attempt, mayHave } of attemptsOf(view)) await copy.outputs(attempt, mayHave);
  await refuseHeld(view);
  // Whoever works on a run says so in its log.
  if (await view.events.lastSeq() !== lastSeq) {
    throw busy(runId, "somebody has worked on it meanwhile");
  }
  await received.commit();
  return copy.copied;
}

async function refuseHeld(view: RunView): Promise<void> {
  const holder = await view.holder();
  if (holder !== undefined) throw busy(view.runId, `${processText(holder)} works on it`);
}

function busy(runId: string, why: string): Error {
  return new Error(`Cannot copy ${runId}: ${why}; copy it when that has ended, or was stopped`);
}

/** A copy that is being made. */
class Copy {
  readonly copied: CopiedRun = {
    lines: { capture: 0, events: 0, processes: 0, inbox: 0 },
    ...{ documents: [], outputs: 0, bytes: 0, replaced: 0 },
  };
  readonly #view: RunView;
  readonly #received: ReceivedRun;
  readonly #ids: { runId: string; newId: string };
  readonly #onProgress: (copied: CopiedRun) => void;

  constructor(view: RunView, received: ReceivedRun, { runId, newId, onProgress }: CopyOptions) {
    this.#view = view;
    this.#received = received;
    this.#ids = { runId, newId };
    this.#onProgress = onProgress;
  }

  async lines(stream: RunStream | "events"): Promise<void> {
    let batch: Uint8Array[] = [];
    let bytes = 0;
    const handOver = async () => {
      if (batch.length === 0) return;
      await this.#received.appendLines(stream, batch);
      this.copied.lines[stream] += batch.length;
      this.#took(bytes + batch.length);
      batch = [];
      bytes = 0;
    };
    for await (const line of this.#view.raw(stream)) {
      const taken = this.#lineOf(stream, line);
      batch.push(taken);
      bytes += taken.length;
      if (batch.length >= BATCH_LINES || bytes >= BATCH_BYTES) await handOver();
    }
    await handOver();
  }

  /** The bytes of a line are the reader's own, and others the next time. */
  #lineOf(stream: RunStream | "events", line: Uint8Array | { unreadable: string }): Uint8Array {
    if (line instanceof Uint8Array) {
      return stream === "events" ? renamed(line, this.#ids) : line.slice();
    }
    this.copied.replaced++;
    return encodeUtf8(`[taffrail copy: a line that is not copied, as ${line.unreadable}]`);
  }

  async document(name: RunDocument): Promise<void> {
    const bytes = await this.#view.document(name);
    if (bytes === undefined) return;
    const taken = name === "trace.json" ? renamed(bytes, this.#ids) : bytes;
    await this.#received.putDocument(name, taken);
    this.copied.documents.push(name);
    this.#took(taken.length);
  }

  async outputs(attempt: NodeAttempt, streams: readonly OutputRef["stream"][]): Promise<void> {
    let hasPrinted = false;
    for (const stream of streams) {
      const isThere = await this.#output({ ...attempt, stream });
      hasPrinted ||= isThere && stream !== "result";
    }
    if (!hasPrinted) return;
    const times = await this.#view.times(attempt);
    if (times !== undefined) await this.#received.putTimes(attempt, times);
  }

  async #output(of: OutputRef): Promise<boolean> {
    for (let from = 0;;) {
      const part = await this.#view.output(of, { from, length: BATCH_BYTES });
      if (part === undefined) return false;
      if (from === 0 || part.length > 0) await this.#received.appendOutput(of, part);
      this.#took(part.length);
      from += part.length;
      if (part.length < BATCH_BYTES) break;
    }
    this.copied.outputs++;
    return true;
  }

  #took(bytes: number): void {
    this.copied.bytes += bytes;
    this.#onProgress(this.copied);
  }
}

/** JSON that says the id of its run, with another one; what is none, or of none, as it is. */
function renamed(
  bytes: Uint8Array,
  { runId, newId }: { runId: string; newId: string },
): Uint8Array {
  if (newId === runId) return bytes.slice();
  let text: string;
  try {
    text = decodeUtf8(bytes);
    if (idIn(text) !== runId) return bytes.slice();
  } catch {
    return bytes.slice();
  }
  // All but the id stays as it was written, numbers that no number of ours can hold among it.
  const other = text.replace(/("run_id"\s*:\s*)"(?:[^"\\]|\\.)*"/, `$1${JSON.stringify(newId)}`);
  if (idIn(other) === newId) return encodeUtf8(other);
  return encodeUtf8(JSON.stringify({ ...JSON.parse(text), run_id: newId }));
}

function idIn(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return isObject(value) ? value.run_id : undefined;
}

/** An attempt, and what there may be of it. */
interface AttemptOutputs {
  attempt: NodeAttempt;
  mayHave: OutputRef["stream"][];
}

const ALL: OutputRef["stream"][] = ["out", "err", "result"];

/** The attempts that the log, the journal or the processes of a run know. */
async function* attemptsOf(view: RunView): AsyncGenerator<AttemptOutputs> {
  const fold = await foldOf(view);
  const seen = new Set<string>();
  for (const { id: nodeId } of fold.state().nodes) {
    for (const { attempt, output_hash: out, error_hash: err } of fold.attemptsOf(nodeId)) {
      seen.add(attemptKey({ nodeId, attempt }));
      const hashes: Record<OutputRef["stream"], string | undefined> = {
        out,
        err,
        result: out === undefined ? undefined : DIGEST_OF_NOTHING,
      };
      const mayHave = ALL.filter((stream) => hashes[stream] !== DIGEST_OF_NOTHING);
      yield { attempt: { nodeId, attempt }, mayHave };
    }
  }
  for (const attempt of attemptsIn(await processLinesOf(view))) {
    if (!seen.has(attemptKey(attempt))) yield { attempt, mayHave: ALL };
  }
}

/** What log and journal tell together; of a journal that tells nothing the log alone. */
async function foldOf(view: RunView): Promise<RunFold> {
  const history = await readRunHistory(view).catch(() => readLogOf(view));
  return history.fold;
}
