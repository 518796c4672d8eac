/**
 * A run that a root on PostgreSQL takes in from elsewhere. What is always true:
 *
 * 1. **It is a run when it has its id**, which it gets at once, when all of it is there. Until then nobody sees it.
 * 2. **What is left of one whose process died is known by its lock**, which is free: a sweep takes it away.
 * 3. Lines are kept as they are; those that are no text, as their bytes.
 */
import { isJsonObject } from "../_internal/line_file.ts";
import { decodeUtf8 } from "../_internal/text.ts";
import { encodeOutputTimes } from "../run/outputs.ts";
import { refuseNewlines } from "../run/root_arguments.ts";
import { type RunError, runError } from "../run/run_error.ts";
import type {
  NodeAttempt,
  OutputChunk,
  OutputRef,
  ReceivedRun,
  RunDocument,
  RunStream,
} from "../run/types.ts";
import { STREAMS } from "./appender.ts";
import type { Link } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import { PUT_DOCUMENT, PUT_OUTPUT } from "./postgres_held_run.ts";
import type { Holding, Session } from "./session.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";

/** What a {@linkcode PostgresReceivedRun} is made of. */
interface ReceivedRunParts {
  runId: string;
  /** The root, as it is called. */
  root: string;
  link: Link;
  session: Session;
  holding: Holding;
  /** There is a run of the id meanwhile. */
  existsError: () => RunError;
  /** Removes what is left of runs. */
  sweep: () => Promise<unknown>;
}

/** So many characters are sent at a time. */
const MOST_CHARACTERS = 4 * 1024 ** 2;

/** A run that is on its way in. */
export class PostgresReceivedRun implements ReceivedRun {
  readonly #parts: ReceivedRunParts;
  readonly #seqs = new Map<string, number>();
  /** The output that was last appended to. */
  #output: { key: string; pieces: number } | undefined;
  #isOver = false;

  constructor(parts: ReceivedRunParts) {
    this.#parts = parts;
  }

  async appendLines(stream: RunStream | "events", lines: readonly Uint8Array[]): Promise<void> {
    refuseNewlines(lines);
    let texts: string[] = [];
    let length = 0;
    const send = async () => {
      if (texts.length > 0) {
        await this.#restore(stream, { text: texts.join("\n"), count: texts.length });
      }
      texts = [];
      length = 0;
    };
    for (const line of lines) {
      const text = textOf(line);
      if (text === undefined || length + text.length > MOST_CHARACTERS) await send();
      if (text === undefined) await this.#restore(stream, { bytes: line, count: 1 });
      else {
        texts.push(text);
        length += text.length;
      }
    }
    await send();
  }

  async putTail(stream: RunStream | "events", bytes: Uint8Array): Promise<boolean> {
    const isWhole = isJsonObject(bytes);
    // Whoever opens a file of lines for writing would give it its newline, or move it aside.
    if (isWhole) await this.appendLines(stream, [bytes]);
    return isWhole;
  }

  async putDocument(name: RunDocument, bytes: Uint8Array): Promise<void> {
    await this.#put(PUT_DOCUMENT, [name, bytes]);
  }

  async appendOutput(of: OutputRef, bytes: Uint8Array): Promise<void> {
    const key = JSON.stringify([of.nodeId, of.attempt, of.stream]);
    if (this.#output?.key !== key) this.#output = { key, pieces: 0 };
    const number = this.#output.pieces++;
    await this.#put(PUT_OUTPUT, [of.nodeId, of.attempt, of.stream, number, bytes, false]);
  }

  async putTimes(of: NodeAttempt, chunks: readonly OutputChunk[]): Promise<void> {
    const bytes = encodeOutputTimes(chunks);
    await this.#put(PUT_OUTPUT, [of.nodeId, of.attempt, "times", 0, bytes, false]);
  }

  async commit(): Promise<void> {
    const { runId, existsError } = this.#parts;
    const text = "select taffrail.commit_run_1($1::bigint, $2::bigint, $3) as status";
    const row = await this.#ask(text, [...this.#parts.holding.credentials, runId]);
    if (row?.status === "exists") throw existsError();
    if (row?.status !== "ok") throw this.#lostError();
    await this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isOver) return;
    const text = "select taffrail.drop_run_1($1::bigint, $2::bigint)";
    try {
      await this.#ask(text, this.#parts.holding.credentials);
      await this.#parts.sweep();
    } catch {
      // Whoever sweeps next takes it away.
    }
    await this.#release();
  }

  async #release(): Promise<void> {
    this.#isOver = true;
    await this.#parts.session.release(this.#parts.holding);
  }

  async #restore(
    stream: RunStream | "events",
    { text, bytes, count }: { text?: string; bytes?: Uint8Array; count: number },
  ): Promise<void> {
    const after = this.#seqs.get(stream) ?? 0;
    const [runNo, token] = this.#parts.holding.credentials;
    const row = await this.#ask(RESTORE, [
      ...[runNo, STREAMS[stream], token, String(after), count, text ?? null, bytes ?? null],
    ]);
    if (row?.status !== "ok") throw this.#lostError();
    this.#seqs.set(stream, after + count);
  }

  /** Puts something in its place, which may be done twice. */
  async #put(text: string, values: readonly PostgresValue[]): Promise<void> {
    const row = await this.#ask(text, [...this.#parts.holding.credentials, ...values]);
    if (row?.done !== true) throw this.#lostError();
  }

  #lostError(): RunError {
    const { runId, root } = this.#parts;
    const problem = `Cannot receive ${runId} in ${root}: what was received is gone`;
    return runError("lost", problem, { details: { runId, path: root }, remedy: "copy it again" });
  }

  /** Asks what may be asked twice. */
  async #ask(text: string, values: readonly PostgresValue[]): Promise<PostgresRow | undefined> {
    const { runId, root, link, holding: { lost } } = this.#parts;
    if (this.#isOver) {
      throw runError("lost", `Cannot receive ${runId}: that is over`, { details: { runId } });
    }
    try {
      lost.throwIfAborted();
      return (await link.ask(text, values, { signal: lost }))[0];
    } catch (error) {
      throw asRootError(error, { root, runId });
    }
  }
}

const RESTORE = 'select taffrail.restore_lines_1($1::bigint, $2::"char", $3::bigint, $4::bigint, ' +
  "$5::int, $6, $7::bytea) as status";

/** The text of a line; undefined of one that is none, or has a NUL, which no text of the database has. */
function textOf(line: Uint8Array): string | undefined {
  if (line.includes(0)) return undefined;
  try {
    return decodeUtf8(line);
  } catch {
    return undefined;
  }
}
