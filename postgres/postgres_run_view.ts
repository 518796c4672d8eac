/** A run of a root on PostgreSQL, as it can be read: each call is one question, and changes nothing. */
import { decodeTexts } from "../_internal/event_codec.ts";
import { encodeUtf8 } from "../_internal/text.ts";
import type { RunPeek } from "../eventlog/read_run.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import type { EventPage, ReadOptions } from "../eventlog/types.ts";
import { parseOutputTimes } from "../run/outputs.ts";
import { missingError } from "../run/run_error.ts";
import type {
  OutputChunk,
  OutputRange,
  OutputRef,
  RunDocument,
  RunEvents,
  RunHolder,
  RunStream,
  RunView,
} from "../run/types.ts";
import { STREAMS } from "./appender.ts";
import type { Link } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import type { Session } from "./session.ts";
import { type KeptLine, StreamReader } from "./stream_reader.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";

/** How much of the end of a log is looked at. */
export const PEEK_BYTES = 64 * 1024;

/** What a view needs of its root. */
export interface ViewParts {
  link: Link;
  session: Session;
  /** The root, as it is called. */
  root: string;
}

/** Reads one run. */
export class PostgresRunView implements RunView {
  readonly runId: string;
  readonly events: RunEvents;
  readonly #parts: ViewParts;

  constructor(parts: ViewParts, runId: string) {
    this.runId = runId;
    this.#parts = parts;
    const reader = new StreamReader<RunEvent>({ ...parts, runId, stream: STREAMS.events });
    this.events = {
      read: (options) => reader.read(options),
      follow: ({ untilEnd = false, ...options } = {}) => {
        const isOpen = async () => await this.holder() !== undefined;
        return reader.follow(options, { isOpen: untilEnd ? isOpen : undefined });
      },
      lastSeq: () => reader.lastSeq(),
    };
  }

  async holder(): Promise<RunHolder | undefined> {
    const text = "select holder, token::text from taffrail.holder_1($1)";
    const [row] = await this.#ask(text, [this.runId]);
    const holder = holderIn(row?.holder);
    return holder && { ...holder, token: BigInt(String(row!.token)) };
  }

  async peek(): Promise<RunPeek<RunEvent>> {
    const text = "select first_line, bytes::text, from_seq::text, lines " +
      "from taffrail.peek_1($1, $2::int)";
    return peekIn(await this.#row(text, [this.runId, PEEK_BYTES]));
  }

  lines(stream: RunStream, options?: ReadOptions): Promise<EventPage<unknown>> {
    return this.#reader(stream).read(options);
  }

  async *raw(stream: RunStream | "events"): AsyncGenerator<Uint8Array> {
    for await (const line of this.#reader(stream).raw()) {
      yield typeof line === "string" ? encodeUtf8(line) : line;
    }
  }

  /** The database has whole lines only. */
  tail(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  get journal(): AsyncIterable<KeptLine> {
    return this.#reader("capture").raw();
  }

  async lastLine(stream: RunStream): Promise<unknown> {
    const text = 'select is_there, line from taffrail.last_line_1($1, $2::"char")';
    const { line } = await this.#row(text, [this.runId, STREAMS[stream]]);
    if (typeof line !== "string") return undefined;
    return decodeTexts<unknown>([line], { firstSeq: 1 }).events[0]?.event;
  }

  async has(name: RunDocument): Promise<boolean> {
    const text = "select taffrail.has_document_1($1, $2) as has";
    const { has } = await this.#row(text, [this.runId, name]);
    if (typeof has !== "boolean") throw missingError(this.runId, this.#parts.root);
    return has;
  }

  async document(name: RunDocument): Promise<Uint8Array | undefined> {
    const text = "select is_there, body from taffrail.document_1($1, $2)";
    const { body } = await this.#row(text, [this.runId, name]);
    return bytesOf(body);
  }

  async output(of: OutputRef, range?: OutputRange): Promise<Uint8Array | undefined> {
    return await this.#output(of, range ?? { from: 0, length: Number.MAX_SAFE_INTEGER });
  }

  async times(of: { nodeId: string; attempt: number }): Promise<OutputChunk[] | undefined> {
    const bytes = await this.#output(
      { ...of, stream: "times" },
      { from: 0, length: Number.MAX_SAFE_INTEGER },
    );
    return bytes && parseOutputTimes(bytes);
  }

  async size(): Promise<number> {
    const [row] = await this.#ask("select taffrail.size_1($1)::text as size", [this.runId]);
    if (typeof row?.size !== "string") throw missingError(this.runId, this.#parts.root);
    return Number(row.size);
  }

  async #output(
    { nodeId, attempt, stream }: { nodeId: string; attempt: number; stream: string },
    range: OutputRange,
  ): Promise<Uint8Array | undefined> {
    // From the end on they are counted by numbers below 0, of which none is the end itself.
    const { from, length } = "last" in range ? { from: -range.last, length: range.last } : range;
    const text = "select size::text, bytes from taffrail.output_1" +
      "($1, $2, $3::int, $4, $5::bigint, $6::bigint)";
    const place = [this.runId, nodeId, attempt, stream];
    const row = await this.#row(text, [...place, String(from), String(length)]);
    if (row.size === null) return undefined;
    return bytesOf(row.bytes) ?? new Uint8Array();
  }

  #reader(stream: RunStream | "events"): StreamReader<unknown> {
    const { runId } = this;
    return new StreamReader<unknown>({ ...this.#parts, runId, stream: STREAMS[stream] });
  }

  /** The row of a run that must be there. */
  async #row(text: string, values: readonly PostgresValue[]): Promise<PostgresRow> {
    const [row] = await this.#ask(text, values);
    if (row === undefined) throw missingError(this.runId, this.#parts.root);
    return row;
  }

  async #ask(text: string, values: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    const { link, root } = this.#parts;
    try {
      return await link.ask(text, values);
    } catch (error) {
      throw asRootError(error, { root, runId: this.runId });
    }
  }
}

/** The ends of a log. */
export function peekIn({ first_line, bytes, from_seq, lines }: PostgresRow): RunPeek<RunEvent> {
  const last = lines === null ? [] : String(lines).split("\n");
  const whole = Number(from_seq ?? 1) <= 1;
  const texts = whole || first_line === null ? last : [String(first_line), ...last];
  const { events } = decodeTexts<RunEvent>(texts, { firstSeq: 1 });
  return { events: events.map(({ event }) => event), whole, size: Number(bytes) };
}

/** Who holds a run, as the one who does has written it. */
export function holderIn(value: unknown): RunHolder | undefined {
  if (typeof value !== "string") return undefined;
  const { host, pid, since } = JSON.parse(value);
  return { host, pid, since };
}

/** Bytes, without what a driver has made of them. */
export function bytesOf(value: unknown): Uint8Array | undefined {
  if (!(value instanceof Uint8Array)) return undefined;
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}
