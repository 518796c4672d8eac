/**
 * What the attempts of a run printed, put together by the times at which it came. What is always true:
 *
 * - **Everything that is kept is given once, and in the order in which it came of each output**, with or
 *   without the times: they only say what comes between.
 * - Of an output a block is in memory, and of an attempt the times, which are bounded. An attempt is
 *   opened when the time of its begin is reached, and left behind its end.
 * - Of an attempt without an end only what its times know is given: the rest of a chunk may still come.
 */
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import { DIGEST_OF_NOTHING } from "../process/output_file.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { OutputChunk, OutputRef, RunView } from "../../run/types.ts";

/** One of the two outputs of an attempt. */
export type OutputOf = OutputRef & { stream: "out" | "err" };

/**
 * A part of what was printed, or why there is none: so many bytes are missing here; more came than can be
 * read before the end of the attempt; what was printed is gone. `isOver`: nothing more of this output comes.
 */
export type OutputPiece =
  & { of: OutputOf; atMs: number | undefined }
  & (
    | { bytes: Uint8Array }
    | { missing: number }
    | { heldBack: true }
    | { isGone: true }
    | { isOver: true }
  );

const STREAMS = ["out", "err"] as const;
const BLOCK_BYTES = 64 * 1024;

/** One output of an attempt, read from its begin to its end. */
class OutputCursor {
  readonly #view: RunView;
  readonly #of: OutputOf;
  #block: Uint8Array = new Uint8Array();
  #blockAt = 0;
  #came = 0;
  /** Where the bytes are that were left out, and how long the line is that stands for them. */
  #gap: { at: number; length: number; lineLength: number } | undefined;

  constructor(view: RunView, of: OutputOf) {
    this.#view = view;
    this.#of = of;
  }

  /**
   * From now on it is known how much was left out. Whether the newline before the line that stands for it
   * belongs to that or to what was printed only tells how many bytes `came` in all.
   */
  async setCut(cut: number, came: number): Promise<void> {
    const line = `[taffrail: ${cut} bytes left out]\n`;
    const size = await this.#size();
    // The first half has the odd byte, and the line begins anew where that half does not end one.
    for (const before of ["", "\n"]) {
      const lineLength = before.length + line.length;
      const at = Math.ceil((size - lineLength) / 2);
      const found = at < 0 ? undefined : await this.#read(at, lineLength);
      const text = found && new TextDecoder().decode(found);
      if (text !== before + line) continue;
      const isExact = size - lineLength + cut === came;
      if (isExact || this.#gap === undefined) this.#gap = { at, length: cut, lineLength };
    }
  }

  /** The next bytes of what came, at most so many; fewer where no more is kept, or there. */
  async *take(count: number): AsyncGenerator<{ bytes: Uint8Array } | { missing: number }, void> {
    let left = count;
    while (left > 0) {
      const gap = this.#gap;
      const behind = gap === undefined ? -1 : this.#came - gap.at;
      if (gap !== undefined && behind >= 0 && behind < gap.length) {
        if (behind === 0) yield { missing: gap.length };
        const passed = Math.min(left, gap.length - behind);
        this.#came += passed;
        left -= passed;
        continue;
      }
      const isBehind = gap !== undefined && behind >= gap.length;
      const at = isBehind ? this.#came - gap.length + gap.lineLength : this.#came;
      const most = gap !== undefined && !isBehind ? Math.min(left, -behind) : left;
      const bytes = await this.#read(at, Math.min(most, BLOCK_BYTES));
      if (bytes === undefined || bytes.length === 0) return;
      this.#came += bytes.length;
      left -= bytes.length;
      yield { bytes };
    }
  }

  /** How many bytes of what came were passed, kept or not. */
  get came(): number {
    return this.#came;
  }

  /** Passes bytes that are not there. */
  skip(count: number): void {
    this.#came += count;
  }

  /** Whether there is such an output. */
  async isThere(): Promise<boolean> {
    return await this.#view.output(this.#of, { from: 0, length: 0 }) !== undefined;
  }

  async #read(at: number, length: number): Promise<Uint8Array | undefined> {
    const isInBlock = at >= this.#blockAt && at < this.#blockAt + this.#block.length;
    if (!isInBlock || at + length > this.#blockAt + this.#block.length) {
      const block = await this.#view.output(this.#of, { from: at, length: BLOCK_BYTES });
      if (block === undefined) return undefined;
      [this.#block, this.#blockAt] = [block, at];
    }
    return this.#block.subarray(at - this.#blockAt, at - this.#blockAt + length);
  }

  /** How long it is: the port tells what stands in a place, or that nothing does. */
  async #size(): Promise<number> {
    const isIn = async (at: number) => {
      return (await this.#view.output(this.#of, { from: at, length: 1 }))?.length === 1;
    };
    if (!await isIn(0)) return 0;
    let last = 0;
    let end = 1;
    while (await isIn(end)) [last, end] = [end, 2 * end];
    while (end - last > 1) {
      const middle = Math.floor((last + end) / 2);
      if (await isIn(middle)) last = middle;
      else end = middle;
    }
    return end;
  }
}

/** Which attempt, and when it began. */
export interface AttemptBegin {
  nodeId: string;
  attempt: number;
  startedMs: number;
}

/** What one attempt printed, chunk by chunk. */
class AttemptReader {
  readonly begin: AttemptBegin;
  /** What is recorded of its end; `"none"` when nobody will record one any more. */
  end: AttemptInfo | "none" | undefined;
  readonly #view: RunView;
  readonly #cursors: Map<"out" | "err", OutputCursor>;
  /** Of each output, what came and is not kept, but for what was left out in the middle. */
  readonly #lost = { out: 0, err: 0 };
  #chunks: OutputChunk[] = [];
  #next = 0;
  /** How much of the next chunk was given already. */
  #given = 0;
  #isHeldBack = false;
  #isOver = false;

  constructor(view: RunView, begin: AttemptBegin, streams: readonly ("out" | "err")[]) {
    this.begin = begin;
    this.#view = view;
    this.#cursors = new Map(streams.map((stream) => {
      return [stream, new OutputCursor(view, this.#of(stream))];
    }));
  }

  /** Looks for what has come; behind its end, for the last time. */
  async look(): Promise<void> {
    const chunks = await this.#view.times(this.begin) ?? [];
    if (chunks.length > this.#chunks.length) this.#chunks = chunks;
    if (this.end === undefined || this.end === "none") return;
    const { output_cut: out, error_cut: err } = this.end;
    for (const [stream, cut] of [["out", out], ["err", err]] as const) {
      if (cut !== undefined) await this.#cursors.get(stream)?.setCut(cut, this.#came(stream));
    }
  }

  #came(of: "out" | "err"): number {
    return this.#chunks.reduce((sum, { stream, byteLength }) => {
      return stream === of ? sum + byteLength : sum;
    }, 0);
  }

  /** When what can be given next came; undefined when there is nothing now. */
  get nextMs(): number | undefined {
    if (this.#isOver || (this.end === undefined && this.#isHeldBack)) return undefined;
    const chunk = this.#chunks[this.#next];
    if (chunk !== undefined) return chunk.atMs;
    return this.end === undefined ? undefined : this.#chunks.at(-1)?.atMs ?? this.begin.startedMs;
  }

  /** Whether all was given. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The next chunk; behind the last one, whatever else there is. */
  async *next(): AsyncGenerator<OutputPiece, void> {
    const chunk = this.#chunks[this.#next];
    if (chunk === undefined) return yield* this.#rest();
    const { stream, byteLength, atMs } = chunk;
    const cursor = this.#cursors.get(stream);
    if (cursor !== undefined) {
      const before = cursor.came;
      const of = this.#of(stream);
      for await (const piece of cursor.take(byteLength - this.#given)) yield { of, atMs, ...piece };
      this.#given += cursor.came - before;
      const left = byteLength - this.#given;
      if (left > 0 && this.end === undefined) {
        // Who records it has the last half in memory.
        this.#isHeldBack = true;
        yield { of, atMs, heldBack: true };
        return;
      }
      cursor.skip(left);
      this.#lost[stream] += left;
    }
    this.#given = 0;
    this.#next++;
  }

  async *#rest(): AsyncGenerator<OutputPiece, void> {
    this.#isOver = true;
    for (const [stream, cursor] of this.#cursors) {
      const place = { of: this.#of(stream), atMs: undefined };
      for await (const piece of cursor.take(Infinity)) yield { ...place, ...piece };
      if (await this.#isGone(stream, cursor)) yield { ...place, isGone: true };
      else if (this.#lost[stream] > 0) yield { ...place, missing: this.#lost[stream] };
      yield { ...place, isOver: true };
    }
    this.#cursors.clear();
    this.#chunks = [];
  }

  /** Whether there was an output that is not there any more. */
  async #isGone(stream: "out" | "err", cursor: OutputCursor): Promise<boolean> {
    if (this.end === undefined || this.end === "none") return false;
    const hash = stream === "out" ? this.end.output_hash : this.end.error_hash;
    // Digests of other forms are those of other programs.
    if (!hash?.startsWith("sha256:") || hash === DIGEST_OF_NOTHING) return false;
    return !await cursor.isThere();
  }

  #of(stream: "out" | "err"): OutputOf {
    const { nodeId, attempt } = this.begin;
    return { nodeId, attempt, stream };
  }
}

/** What attempts of a run printed, in the order in which it came. */
export class RunOutputs {
  readonly #view: RunView;
  readonly #streams: readonly ("out" | "err")[];
  readonly #known = new Map<string, AttemptReader>();
  /** Those that were not opened yet, the last one to be opened first. */
  #waiting: AttemptReader[] = [];
  #open: AttemptReader[] = [];

  /** `streams`: the outputs that are wanted. */
  constructor(view: RunView, streams: readonly ("out" | "err")[] = STREAMS) {
    this.#view = view;
    this.#streams = streams;
  }

  /** An attempt was begun, or has ended. What is known already is not given again. */
  take(begin: AttemptBegin, info: AttemptInfo): void {
    const key = attemptKey(begin);
    const end = info.status === "Running" ? undefined : info;
    const known = this.#known.get(key);
    if (known !== undefined) {
      known.end = end ?? known.end;
      return;
    }
    if (end !== undefined && isSilent(end)) return;
    const reader = new AttemptReader(this.#view, begin, this.#streams);
    reader.end = end;
    this.#known.set(key, reader);
    this.#waiting.push(reader);
  }

  /** Nobody works on the run: what has no end will get none. */
  leave(): void {
    for (const reader of this.#known.values()) reader.end ??= "none";
  }

  /** What has come and was not given yet. */
  async *pieces(): AsyncGenerator<OutputPiece, void> {
    for (const reader of this.#open) await reader.look();
    const latestFirst = (a: AttemptReader, b: AttemptReader) =>
      b.begin.startedMs - a.begin.startedMs;
    this.#waiting = this.#waiting.toReversed().toSorted(latestFirst);
    for (;;) {
      const next = earliest(this.#open);
      const waiting = this.#waiting.at(-1);
      if (waiting !== undefined && waiting.begin.startedMs <= (next?.nextMs ?? Infinity)) {
        this.#waiting.pop();
        await waiting.look();
        this.#open.push(waiting);
        continue;
      }
      if (next === undefined) return;
      yield* next.next();
      if (next.isOver) this.#open = this.#open.filter((reader) => reader !== next);
    }
  }
}

/** Whether an attempt is known to have printed nothing. */
function isSilent({ output_hash: out, error_hash: err }: AttemptInfo): boolean {
  return out === DIGEST_OF_NOTHING && err === DIGEST_OF_NOTHING;
}

/** The one whose next chunk came first. */
function earliest(readers: readonly AttemptReader[]): AttemptReader | undefined {
  let found: AttemptReader | undefined;
  for (const reader of readers) {
    if (reader.nextMs === undefined) continue;
    if (found === undefined || reader.nextMs < found.nextMs!) found = reader;
  }
  return found;
}
