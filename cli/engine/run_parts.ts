/**
 * A run as parts, one behind the other, each with its bytes: what is copied to another root, put into an archive, and
 * found in one. What is always true:
 *
 * - A stream of lines is the bytes of its file: every line with its newline, and behind them what a killed writer has
 *   left of one. A line that is too long for any reader is replaced by one that says so.
 * - The order is the same each time, so that the same run gives the same bytes; a log does not come before its journal,
 *   so that it is not ahead of that where both are still written.
 * - Of bytes a block is in memory, and it is valid until the next one is asked for.
 */
import type { AttemptFile } from "../../_internal/root_layout.ts";
import { encodeUtf8, NEWLINE } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { readLogOf } from "../../run/engine/run_log.ts";
import { encodeOutputTimes } from "../../run/outputs.ts";
import type {
  NodeAttempt,
  OutputRef,
  RunDocument,
  RunsRoot,
  RunStream,
  RunView,
} from "../../run/types.ts";
import { DIGEST_OF_NOTHING } from "../process/output_file.ts";
import { attemptsIn, processLinesOf } from "../process/process_log.ts";
import { processText } from "../process/processes.ts";
import { readRunHistory } from "../reading/run_history.ts";

/** The streams of a run, in their order. */
export const STREAMS: readonly (RunStream | "events")[] = [
  "capture",
  "events",
  "processes",
  "inbox",
];

/** The documents of a run, in their order. */
export const DOCUMENTS: readonly RunDocument[] = [
  "run.json",
  "flow.json",
  "trace.json",
  "capture.json",
];

/** What a part of a run is. */
export type PartPlace =
  | { kind: "stream"; stream: RunStream | "events" }
  | { kind: "document"; name: RunDocument }
  | { kind: "attempt"; of: AttemptFile };

/** A part of a run. */
export interface RunPart {
  place: PartPlace;
  /** Its bytes, to be gone through once. */
  bytes: AsyncIterable<Uint8Array>;
}

/** What a run is read for, and who is told. */
export interface PartsOptions {
  /** A line was too long to be read, and is replaced. */
  onReplaced: () => void;
}

/** A run that nobody works on while it is read. */
export class RestingRun {
  readonly view: RunView;
  readonly #doing: string;
  readonly #lastSeq: number;

  private constructor(view: RunView, { doing, lastSeq }: { doing: string; lastSeq: number }) {
    this.view = view;
    this.#doing = doing;
    this.#lastSeq = lastSeq;
  }

  /**
   * Begins to read a run; `doing`: what is done with it, such as `copy`.
   *
   * @throws {Error} If somebody works on it.
   */
  static async of(runs: RunsRoot, runId: string, doing: string): Promise<RestingRun> {
    const view = runs.view(runId);
    await refuseHeld(view, doing);
    return new RestingRun(view, { doing, lastSeq: await view.events.lastSeq() });
  }

  /** Makes sure that what was read is one state of the run: whoever works on a run says so in its log. */
  async check(): Promise<void> {
    await refuseHeld(this.view, this.#doing);
    if (await this.view.events.lastSeq() === this.#lastSeq) return;
    throw busy(this.view, this.#doing, "somebody has worked on it meanwhile");
  }
}

async function refuseHeld(view: RunView, doing: string): Promise<void> {
  const holder = await view.holder();
  if (holder !== undefined) throw busy(view, doing, `${processText(holder)} works on it`);
}

function busy({ runId }: RunView, doing: string, why: string): Error {
  return new Error(
    `Cannot ${doing} ${runId}: ${why}; ${doing} it when that has ended, or was stopped`,
  );
}

/** Gives the parts of a run. */
export async function* partsOf(
  view: RunView,
  options: PartsOptions,
): AsyncGenerator<RunPart, void> {
  for (const stream of STREAMS) {
    yield { place: { kind: "stream", stream }, bytes: bytesOfStream(view, stream, options) };
  }
  for (const name of DOCUMENTS) {
    const bytes = await view.document(name);
    if (bytes !== undefined) yield { place: { kind: "document", name }, bytes: once(bytes) };
  }
  for await (const { attempt, mayHave } of attemptsOf(view)) {
    yield* outputsOf(view, attempt, mayHave);
  }
}

/** Bytes that are there, as those of a part. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}

const BLOCK_BYTES = 1024 ** 2;
const END_OF_LINE = Uint8Array.of(NEWLINE);

async function* bytesOfStream(
  view: RunView,
  stream: RunStream | "events",
  options: PartsOptions,
): AsyncGenerator<Uint8Array, void> {
  yield* blocksOfLines(linesOf(view, stream, options));
  const tail = await view.tail(stream);
  if (tail !== undefined) yield bytesOfLine(tail, options);
}

/** The lines of a stream, those in place of others that are too long among them. */
export async function* linesOf(
  view: RunView,
  stream: RunStream | "events",
  options: PartsOptions,
): AsyncGenerator<Uint8Array, void> {
  for await (const line of view.raw(stream)) yield bytesOfLine(line, options);
}

function bytesOfLine(
  line: Uint8Array | { unreadable: string },
  { onReplaced }: PartsOptions,
): Uint8Array {
  if (line instanceof Uint8Array) return line;
  onReplaced();
  return encodeUtf8(`[taffrail: a line that is left out, as ${line.unreadable}]`);
}

/** Lines as the bytes of their file: many of them at a time. */
export async function* blocksOfLines(
  lines: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const block = new Uint8Array(BLOCK_BYTES);
  let filled = 0;
  for await (const line of lines) {
    const { length } = line;
    if (filled + length >= block.length && filled > 0) {
      yield block.subarray(0, filled);
      filled = 0;
    }
    if (length >= block.length) {
      yield line;
      yield END_OF_LINE;
      continue;
    }
    block.set(line, filled);
    block[filled + length] = NEWLINE;
    filled += length + 1;
  }
  if (filled > 0) yield block.subarray(0, filled);
}

/** What is kept of an attempt; when its outputs came only where it has some. */
async function* outputsOf(
  view: RunView,
  attempt: NodeAttempt,
  streams: readonly OutputRef["stream"][],
): AsyncGenerator<RunPart, void> {
  let hasPrinted = false;
  for (const stream of streams) {
    const of = { ...attempt, stream };
    const first = await view.output(of, { from: 0, length: BLOCK_BYTES });
    if (first === undefined) continue;
    hasPrinted ||= stream !== "result";
    yield { place: { kind: "attempt", of }, bytes: bytesOfOutput(view, of, first) };
  }
  if (!hasPrinted) return;
  const times = await view.times(attempt);
  if (times === undefined) return;
  const of = { ...attempt, stream: "times" } as const;
  yield { place: { kind: "attempt", of }, bytes: once(encodeOutputTimes(times)) };
}

async function* bytesOfOutput(
  view: RunView,
  of: OutputRef,
  first: Uint8Array,
): AsyncGenerator<Uint8Array, void> {
  let block: Uint8Array | undefined = first;
  let from = 0;
  do {
    yield block;
    from += block.length;
    if (block.length < BLOCK_BYTES) return;
    block = await view.output(of, { from, length: BLOCK_BYTES });
  } while (block !== undefined && block.length > 0);
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
