/**
 * Reads a stream of a run by pages, and as it grows. What is always true:
 *
 * 1. **A cursor is a seq and a checksum of its line**, which is looked at with each page that is read from
 *    it: where the server came back without its last moments, and others have written since, a reader is
 *    told, and skips nothing.
 * 2. **Following survives the server**: when that is away it is waited for, and then gone on behind the last
 *    line that was delivered.
 */
import { checkTypes } from "../_internal/errors.ts";
import {
  decodeTexts,
  inOrder,
  isBlankLine,
  leavable,
  malformedLine,
} from "../_internal/event_codec.ts";
import { crc32, encodeUtf8, fromHex } from "../_internal/text.ts";
import { EventLogError } from "../eventlog/event_log_error.ts";
import type {
  Cursor,
  EventPage,
  FollowOptions,
  Gap,
  ReadAfter,
  ReadOptions,
  StandardSchema,
  Stored,
} from "../eventlog/types.ts";
import { missingError } from "../run/run_error.ts";
import type { StreamLetter } from "./appender.ts";
import type { Link, Patience } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import type { Session } from "./session.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";
import { Bell } from "./waiting.ts";

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
const FOLLOW_LIMIT = 1000;
/** What a page holds at most, where more than one line is there. */
const PAGE_BYTES = 8 * 1024 ** 2;
/** How often who follows looks by himself. */
const LOOK_MS = 1000;

/** A line as it is kept: its text, or the bytes of one that is no text. */
export type KeptLine = string | Uint8Array;

/** A page of lines as they are kept. */
interface LinesPage {
  runNo: string;
  /** The seq of the last line of the stream. */
  lastSeq: number;
  /** The line behind which the page begins; undefined where that is the beginning. */
  before: KeptLine | undefined;
  lines: KeptLine[];
}

/** Where a stream is read from. */
export interface StreamSource {
  link: Link;
  session: Session;
  /** The root, as it is called. */
  root: string;
  runId: string;
  stream: StreamLetter;
}

/** A stream of a run. */
export class StreamReader<E> {
  readonly #source: StreamSource;
  readonly #schema: StandardSchema<E> | undefined;

  constructor(source: StreamSource, schema?: StandardSchema<E>) {
    this.#source = source;
    this.#schema = schema;
  }

  /** Reads a page. */
  async read(options: ReadOptions = {}): Promise<EventPage<E>> {
    const { after = 0, limit = DEFAULT_LIMIT, signal } = options;
    checkTypes(options, { limit: "number?", signal: "object?" });
    signal?.throwIfAborted();
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
      throw new RangeError(`Cannot read ${limit} lines: limit must be from 1 to ${MAX_LIMIT}`);
    }
    return await this.#page(after, limit);
  }

  /** The seq of the last line. */
  async lastSeq(): Promise<number> {
    const { root, runId, stream } = this.#source;
    const text = 'select run_no::text, last_seq::text from taffrail.last_seq_1($1, $2::"char")';
    const row = await this.#ask(text, [runId, stream]);
    if (row === undefined) throw missingError(runId, root);
    return Number(row.last_seq);
  }

  /** The lines as they are kept, up to where the stream ends when that is asked for. */
  async *raw(): AsyncGenerator<KeptLine> {
    let end: number | undefined;
    for (let after = 0; end === undefined || after < end;) {
      const page = await this.#lines(after, MAX_LIMIT);
      end ??= page.lastSeq;
      if (page.lines.length === 0) return;
      yield* page.lines.slice(0, end - after);
      after += page.lines.length;
    }
  }

  /** Delivers what is there, then what comes; with `isOpen` until its end, or until nobody has it open. */
  follow(
    options: FollowOptions,
    { closed, isOpen }: { closed?: AbortSignal; isOpen?: (() => Promise<boolean>) | undefined } =
      {},
  ): AsyncIterableIterator<Stored<E> | Gap> {
    checkTypes(options, { strict: "boolean?", signal: "object?" });
    const begin = (signal: AbortSignal) => this.#follow({ ...options, isOpen }, signal);
    return leavable(begin, options.signal, closed);
  }

  async *#follow(
    { after = 0, strict = false, isOpen }: FollowOptions & {
      isOpen: (() => Promise<boolean>) | undefined;
    },
    signal: AbortSignal,
  ): AsyncGenerator<Stored<E> | Gap, void> {
    using wakes = new Wakes(this.#source.session, signal);
    let place = after;
    let hasEnd = false;
    while (!signal.aborted) {
      wakes.forget();
      // Asked before it is read, so that all that was written until then is read.
      const isClosed = isOpen !== undefined && !await isOpen();
      const page = await this.#nextPage(place, signal);
      if (page === undefined) return;
      // What was read is delivered, whoever has given up meanwhile.
      for (const item of inOrder(page)) {
        if (strict && "reason" in item && !isBlankLine(item)) {
          const { message, details } = malformedLine(this.#where, item);
          throw new EventLogError("malformed", message, { details });
        }
        if ("event" in item) hasEnd = isEnd(item.event) ?? hasEnd;
        yield item;
      }
      place = page.next;
      if (page.hasMore) continue;
      if (isOpen !== undefined && (hasEnd || isClosed)) return;
      await wakes.next(page.runNo);
    }
  }

  /** A page, however long the server is away; undefined when nobody wants it any more. */
  async #nextPage(
    after: ReadAfter,
    signal: AbortSignal,
  ): Promise<EventPage<E> & { runNo: string } | undefined> {
    try {
      return await this.#page(after, FOLLOW_LIMIT, { signal });
    } catch (error) {
      if (signal.aborted) return undefined;
      throw error;
    }
  }

  get #where(): string {
    return `${this.#source.root}, run ${this.#source.runId}`;
  }

  async #page(
    after: ReadAfter,
    limit: number,
    patience?: Patience,
  ): Promise<EventPage<E> & { runNo: string }> {
    const place = after === "end" ? { seq: await this.lastSeq() } : placeOf(after);
    const page = await this.#lines(place.seq, limit, patience);
    const { runNo, lastSeq, before, lines } = page;
    const isOther = before !== undefined && place.checksum !== undefined &&
      checksumOf(place.seq, before) !== place.checksum;
    if (lastSeq < place.seq || isOther) throw this.#cursorError(place.seq, lastSeq);
    const decoded = decodeTexts<E>(lines, {
      firstSeq: place.seq + 1,
      ...(this.#schema !== undefined && { schema: this.#schema }),
    });
    const seq = place.seq + lines.length;
    const last = lines.at(-1) ?? before;
    const next = last === undefined ? START : `${seq}-${checksumOf(seq, last)}`;
    return { ...decoded, next, hasMore: seq < lastSeq, runNo };
  }

  async #lines(after: number, limit: number, patience?: Patience): Promise<LinesPage> {
    const { root, runId, stream } = this.#source;
    const values = [runId, stream, String(after), limit, PAGE_BYTES];
    const row = await this.#ask(READ, values, patience);
    if (row === undefined) throw missingError(runId, root);
    const lines = linesOf(row, after);
    const before = after > 0 ? lines.shift() : undefined;
    return { runNo: String(row.run_no), lastSeq: Number(row.last_seq), before, lines };
  }

  async #ask(
    text: string,
    values: readonly PostgresValue[],
    patience?: Patience,
  ): Promise<PostgresRow | undefined> {
    const { link, root, runId } = this.#source;
    try {
      return (await link.ask(text, values, patience))[0];
    } catch (error) {
      throw asRootError(error, { root, runId });
    }
  }

  #cursorError(expected: number, actual: number): EventLogError {
    const problem = `Cannot read ${this.#where} after seq ${expected}: its line is not the one ` +
      "that was read there, as the server came back without it, or the cursor is of another log";
    const remedy = "read what is there from the beginning";
    const details = { expected, actual };
    return new EventLogError("cursor", `${problem}; ${remedy}`, { details, remedy });
  }
}

const READ = "select run_no::text, last_seq::text, count, lines, damaged " +
  'from taffrail.read_lines_1($1, $2::"char", $3::bigint, $4::int, $5::int)';

/** The lines of a row; where `after` is not 0 the first one is that one. */
function linesOf({ count, lines, damaged }: PostgresRow, after: number): KeptLine[] {
  if (Number(count) === 0) return [];
  const kept: KeptLine[] = String(lines).split("\n");
  if (typeof damaged !== "string") return kept;
  const first = Math.max(1, after);
  for (const one of damaged.split("\n")) {
    const [seq = "", hex = ""] = one.split(" ");
    kept[Number(seq) - first] = fromHex(hex);
  }
  return kept;
}

const START = "0-0";

function checksumOf(seq: number, line: KeptLine): string {
  const bytes = typeof line === "string" ? encodeUtf8(line) : line;
  return ((crc32(bytes) ^ seq) >>> 0).toString(16);
}

function placeOf(after: Cursor | number): { seq: number; checksum?: string } {
  if (typeof after === "string") {
    const match = /^(\d{1,15})-([0-9a-f]{1,8})$/.exec(after);
    if (match === null) throw new TypeError(`Cannot read from ${JSON.stringify(after)}: no cursor`);
    return { seq: Number(match[1]), checksum: match[2]! };
  }
  checkTypes({ after }, { after: "number" });
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new RangeError(`Cannot read after seq ${after}: it must be a whole number from 0 on`);
  }
  return { seq: after };
}

/** Whether an event says that the run as a whole has ended; undefined for what says nothing of that. */
function isEnd(event: unknown): boolean | undefined {
  const type = Reflect.get(Object(event), "type");
  if (type === "pipe.started") return false;
  return type === "pipe.completed" || type === "pipe.aborted" ? true : undefined;
}

/** Wakes whoever follows a run. */
class Wakes implements Disposable {
  readonly #session: Session;
  readonly #signal: AbortSignal;
  #registered: { runNo: string; wakes: Disposable } | undefined;
  readonly #woken = new Bell();

  constructor(session: Session, signal: AbortSignal) {
    this.#session = session;
    this.#signal = signal;
  }

  /** Wake-ups that came before now are no reason to look again. */
  forget(): void {
    this.#woken.forget();
  }

  /** Resolves when there may be something to read. */
  async next(runNo: string): Promise<void> {
    // What came before this process could be woken is looked for once more.
    if (this.#registered?.runNo !== runNo) return this.#register(runNo);
    await this.#woken.wait(LOOK_MS, this.#signal);
  }

  #register(runNo: string): void {
    this.#registered?.wakes[Symbol.dispose]();
    const wakes = this.#session.onWake(runNo, () => this.#woken.ring());
    this.#registered = { runNo, wakes };
  }

  [Symbol.dispose](): void {
    this.#registered?.wakes[Symbol.dispose]();
  }
}
