/**
 * A run of a root on PostgreSQL that this process alone writes. What is always true:
 *
 * 1. **Lines are appended in the order of the calls**, one append at a time: see `appender.ts`.
 * 2. **A barrier waits until the lock is known to be held**: while the session is away nothing new begins.
 * 3. **What is sent by a former holder is refused** by the server, by its token, and then this process knows
 *    that the run is lost.
 */
import { AttemptOutputs } from "../run/outputs.ts";
import { runError } from "../run/run_error.ts";
import type { AttemptQueue } from "../run/attempt_queue.ts";
import { refuseNewlines } from "../run/root_arguments.ts";
import type {
  HeldRun,
  OutputRef,
  OutputSink,
  RunDocument,
  RunLines,
  RunView,
} from "../run/types.ts";
import { Appender, type Floor, type Part, type StreamLetter, STREAMS } from "./appender.ts";
import { PostgresJobQueue } from "./job_queue.ts";
import type { Link } from "./link.ts";
import { OutputPieces, type PutPiece } from "./output_pieces.ts";
import { asRootError } from "./postgres_error.ts";
import type { Holding, Session } from "./session.ts";
import { WakeUps } from "./waiting.ts";

/** What a {@linkcode PostgresHeldRun} is made of. */
export interface HeldRunParts {
  view: RunView;
  /** The root, as it is called. */
  root: string;
  link: Link;
  session: Session;
  holding: Holding;
  floors: Map<StreamLetter, Floor>;
  durability: "os" | "disk";
  onClosed: (held: PostgresHeldRun) => void;
}

/** The streams that the holder appends to. */
const OWN_STREAMS = ["capture", "events", "processes"] as const;

/** Statements of whoever writes a run, also one that is on its way in. */
export const PUT_DOCUMENT =
  "select taffrail.put_document_1($1::bigint, $2::bigint, $3, $4::bytea) as done";
export const PUT_OUTPUT =
  "select taffrail.put_output_1($1::bigint, $2::bigint, $3, $4::int, $5, $6::int, $7::bytea, " +
  "$8::boolean) as done";

/** A held run. */
export class PostgresHeldRun implements HeldRun {
  readonly view: RunView;
  readonly token: bigint;
  readonly #parts: HeldRunParts;
  readonly #appender: Appender;
  readonly #outputs: AttemptOutputs;
  readonly #followers: WakeUps;
  #queue: PostgresJobQueue | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: HeldRunParts) {
    const { view, holding, link, root, floors } = parts;
    this.view = view;
    this.token = holding.token;
    this.#parts = parts;
    this.#outputs = new AttemptOutputs((of) => new OutputPieces(of, this.#putPiece));
    this.#followers = new WakeUps(() => link.wake(holding.runNo));
    this.#appender = new Appender({
      ...{ link, root, floors, token: holding.token, runNo: holding.runNo, runId: view.runId },
      signal: holding.lost,
      onAppended: (streams) => {
        if (streams.has(STREAMS.events)) this.#followers.send();
      },
      onRefused: (error) => holding.lose(asRootError(error, this.#where)),
    });
  }

  /** Has attempts of the run made by workers. */
  get queue(): AttemptQueue {
    return this.#queue ??= new PostgresJobQueue(this.#parts);
  }

  get lost(): AbortSignal {
    return this.#parts.holding.lost;
  }

  /** Takes note of what the server has said by itself. */
  takeNotice(code: string): void {
    this.#appender.takeNotice(code);
  }

  async append(lines: RunLines): Promise<void> {
    this.#checkHeld();
    const parts: Part[] = [];
    for (const name of OWN_STREAMS) {
      const texts = lines[name];
      if (texts === undefined || texts.length === 0) continue;
      refuseNewlines(texts);
      parts.push({ stream: STREAMS[name], lines: [...texts] });
    }
    if (parts.length === 0) return;
    const waits = this.#parts.durability === "disk";
    const isLazy = !waits && parts.every(({ stream }) => stream === STREAMS.events);
    await this.#attempt(() => this.#appender.append(parts, { waits, isLazy }));
  }

  async barrier(options: { of?: readonly (typeof OWN_STREAMS)[number][] } = {}): Promise<void> {
    this.#checkHeld();
    const { of = OWN_STREAMS } = options;
    const { holding } = this.#parts;
    await this.#attempt(async () => {
      await this.#appender.barrier(of.map((name) => STREAMS[name]));
      await holding.confirmed();
    });
  }

  async putDocument(name: RunDocument, bytes: Uint8Array | undefined): Promise<void> {
    this.#checkHeld();
    await this.#write(PUT_DOCUMENT, [...this.#parts.holding.credentials, name, bytes ?? null]);
  }

  openOutput(of: OutputRef, options: { maxBytes: number }): OutputSink {
    this.#checkHeld();
    return this.#outputs.open(of, options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { session, holding, onClosed } = this.#parts;
    await this.#outputs.close();
    await this.#appender.idle();
    this.#followers[Symbol.dispose]();
    this.#queue?.[Symbol.dispose]();
    try {
      await session.release(holding);
    } catch (error) {
      throw asRootError(error, this.#where);
    } finally {
      onClosed(this);
    }
  }

  readonly #putPiece: PutPiece = async (
    { nodeId, attempt, stream },
    { number, bytes, waits },
  ) => {
    const { credentials } = this.#parts.holding;
    await this.#write(PUT_OUTPUT, [...credentials, nodeId, attempt, stream, number, bytes, waits]);
  };

  /** Writes what may be written twice. */
  async #write(text: string, values: Parameters<Link["query"]>[1]): Promise<void> {
    const { link, holding } = this.#parts;
    await this.#attempt(async () => {
      const [row] = await link.ask(text, values, { signal: holding.lost });
      if (row?.done === true) return;
      holding.lose("another process holds it");
      throw holding.lost.reason;
    });
  }

  #checkHeld(): void {
    const { runId } = this.view;
    this.lost.throwIfAborted();
    if (this.#closing === undefined) return;
    throw runError("lost", `Cannot write the run ${runId}: it is not held any more`, {
      details: { runId },
    });
  }

  async #attempt(operation: () => Promise<unknown>): Promise<void> {
    try {
      await operation();
    } catch (error) {
      throw asRootError(error, this.#where);
    }
  }

  get #where(): { root: string; runId: string } {
    return { root: this.#parts.root, runId: this.view.runId };
  }
}
