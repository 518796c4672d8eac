/** Runs recorded in a PostgreSQL database, which many processes on many machines use at the same time. */
import { defined } from "../_internal/errors.ts";
import { checkRunId, ulidAfter } from "../_internal/root_layout.ts";
import { createdAtIn, parseRunFile, RUN_FORMAT, runFileText } from "../_internal/run_folder.ts";
import { encodeUtf8, fromHex, reasonOf, Sha256, toHex } from "../_internal/text.ts";
import { decodeTexts } from "../_internal/event_codec.ts";
import type { RunEvent } from "../eventlog/run_event.ts";
import {
  checkCreateOptions,
  checkHoldOptions,
  checkListOptions,
  type CreateOptions,
  encodeMessage,
  HOLD_TIMEOUT_MS,
} from "../run/root_arguments.ts";
import { missingError, redactedError, type RunError, runError } from "../run/run_error.ts";
import type { AttemptQueue, JobSource } from "../run/attempt_queue.ts";
import type {
  HeldRun,
  HoldOptions,
  InboxMessage,
  ListOptions,
  ReceivedRun,
  RunListing,
  RunsRoot,
  RunView,
} from "../run/types.ts";
import type { Floor, StreamLetter } from "./appender.ts";
import { checkDatabase } from "./check_database.ts";
import { Link } from "./link.ts";
import { asRootError } from "./postgres_error.ts";
import { PostgresJobSource } from "./job_source.ts";
import { PostgresHeldRun } from "./postgres_held_run.ts";
import { bytesOf, holderIn, PEEK_BYTES, peekIn, PostgresRunView } from "./postgres_run_view.ts";
import { type Holding, Session } from "./session.ts";
import type { PostgresClient, PostgresRow, PostgresValue } from "./types.ts";
import { pause } from "./waiting.ts";

/** How often who waits for a holder looks whether it is gone. */
const LOOK_MS = 50;
/** How many rows of removed runs are deleted in one go. */
const SWEEP_ROWS = 20_000;
/** Of how many runs the ends are asked for in one go. */
const PEEKS_AT_ONCE = 100;
const KEY_BYTES = 32;
const ID_BYTES = 8;

/** A root on PostgreSQL. */
export class PostgresRoot implements RunsRoot {
  readonly name: string;
  readonly #link: Link;
  readonly #session: Session;
  readonly #held = new Set<PostgresHeldRun>();

  constructor(client: PostgresClient, { leaseMs }: { leaseMs: number }) {
    this.name = client.name;
    this.#session = new Session(client, { leaseMs });
    this.#link = new Link(client, {
      onNotice: (code) => {
        for (const held of this.#held) held.takeNotice(code);
      },
    });
  }

  /** The version of the schema; undefined where there is none. */
  schemaVersion(): Promise<number | undefined> {
    return checkDatabase(this.#link, this.name);
  }

  /** Whether a pooler stands between; a connection that is lost in that moment could look like one, once. */
  async sharesSessions(): Promise<boolean> {
    return await this.#meetsShared() && await this.#meetsShared();
  }

  /**
   * Whether both connections meet the same session of the server, or one of them several. They are asked by
   * turns, and the first one twice in a row, since a pooler may lend its sessions in turn, or have others to
   * serve who take them in between.
   */
  async #meetsShared(): Promise<boolean> {
    const [ofSession, ofLink] = [new Set<unknown>(), new Set<unknown>()];
    const session = { of: this.#session, met: ofSession };
    const link = { of: this.#link, met: ofLink };
    for (const { of, met } of [session, session, link, session, link]) {
      const [row] = await of.query("select pg_backend_pid()::text as pid");
      met.add(row?.pid);
    }
    return ofSession.size > 1 || ofLink.size > 1 || !ofSession.isDisjointFrom(ofLink);
  }

  async list(options: ListOptions = {}): Promise<{ runs: RunListing[]; next?: string }> {
    const { prefix, after, limit, newestFirst, runIds, fields } = checkListOptions(options);
    const rows = await this.#ask(LIST, [
      ...[prefix, after ?? null, runIds === undefined ? null : [...runIds].join("\n")],
      ...[limit + 1, newestFirst, fields.has("size")],
    ]);
    const runs = rows.slice(0, limit).map(listingOf);
    if (fields.has("peek")) await this.#peekAt(runs);
    return { runs, ...(rows.length > limit && { next: runs.at(-1)!.runId }) };
  }

  /** Adds the ends of logs of which more than the first and the last line is to be known. */
  async #peekAt(listings: readonly RunListing[]): Promise<void> {
    const longer = new Map(listings.flatMap((listing) => {
      return listing.peek === undefined ? [[listing.runId, listing] as const] : [];
    }));
    const ids = [...longer.keys()];
    for (let at = 0; at < ids.length; at += PEEKS_AT_ONCE) {
      const some = ids.slice(at, at + PEEKS_AT_ONCE).join("\n");
      for (const row of await this.#ask(PEEKS, [some, PEEK_BYTES])) {
        longer.get(String(row.run_id))!.peek = peekIn(row);
      }
    }
  }

  async create(options: CreateOptions): Promise<HeldRun> {
    checkCreateOptions(options);
    const { about, runId: chosen } = options;
    return await this.#attempt(chosen, async () => {
      let last: string | undefined;
      for (;;) {
        const ulid = chosen === undefined ? ulidAfter(last, Date.now()) : null;
        const runId = chosen ?? `${about.name}-${ulid}`;
        const facts = { created_at: new Date().toISOString(), ...defined({ ...about }) };
        const row = await this.#sessionRow(CREATE, [
          ...[runId, ulid, encodeUtf8(runFileText(runId, facts))],
          ...[this.#session.self, this.#session.leaseSeconds],
        ]);
        if (row.status === "exists") throw this.#existsError(runId);
        // Somebody has been given a greater one meanwhile, or has a clock that is ahead.
        if (row.status === "ulid") last = String(row.last_ulid);
        else {
          const holding = this.#holdingOf(runId, row);
          return this.#heldAs(holding, { runId, floors: new Map(), options });
        }
      }
    });
  }

  async hold(runId: string, options: HoldOptions = {}): Promise<HeldRun> {
    checkHoldOptions(runId, options);
    const { timeoutMs = HOLD_TIMEOUT_MS, takeOver = false } = options;
    return await this.#attempt(runId, async () => {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const row = await this.#sessionRow(HOLD, [
          ...[runId, this.#session.self, this.#session.leaseSeconds, takeOver],
        ]);
        if (row.status === "missing") throw missingError(runId, this.name);
        if (row.status === "ok") {
          const floors = floorsIn(String(row.seqs));
          const holding = this.#holdingOf(runId, row);
          try {
            this.#refuseUnusable(runId, row.about);
            return this.#heldAs(holding, { runId, floors, options });
          } catch (error) {
            await this.#session.release(holding);
            throw error;
          }
        }
        if (performance.now() >= until) throw this.#liveError(runId, row);
        await pause(LOOK_MS);
      }
    });
  }

  view(runId: string): RunView {
    const parts = { link: this.#link, session: this.#session, root: this.name };
    return new PostgresRunView(parts, runId);
  }

  async post(runId: string, message: InboxMessage): Promise<void> {
    checkRunId(runId);
    const text = encodeMessage(message);
    const [row] = await this.#ask("select taffrail.post_1($1, $2, $3) as run_no", [
      ...[runId, message.op, text],
    ], runId);
    if (row?.run_no === "missing") throw missingError(runId, this.name);
    await this.#link.wake(String(row?.run_no)).catch(() => {});
  }

  async receive(runId: string): Promise<ReceivedRun> {
    checkRunId(runId);
    return await this.#attempt(runId, async () => {
      const row = await this.#sessionRow(RECEIVE, [runId, this.#session.leaseSeconds]);
      if (row.status === "exists") throw this.#existsError(runId);
      const { PostgresReceivedRun } = await import("./postgres_received_run.ts");
      return new PostgresReceivedRun({
        ...{ runId, root: this.name, link: this.#link, session: this.#session },
        holding: this.#holdingOf(runId, row),
        existsError: () => this.#existsError(runId),
        sweep: () => this.sweep(),
      });
    });
  }

  async remove(runId: string): Promise<void> {
    checkRunId(runId);
    const [row] = await this.#ask("select taffrail.remove_run_1($1) as status", [runId], runId);
    if (row?.status === "missing") throw missingError(runId, this.name);
    if (row?.status === "live") {
      throw runError("live", `Cannot remove the run ${runId}: somebody holds it`, {
        details: { runId },
        remedy: "wait until that has ended",
      });
    }
    // Its id is free already; whoever sweeps later does what is not done here.
    await this.sweep();
  }

  async sweep(): Promise<number> {
    let swept = 0;
    for (;;) {
      const [row] = await this.#ask("select swept, has_more from taffrail.sweep_1($1::int)", [
        SWEEP_ROWS,
      ]);
      swept += Number(row?.swept);
      if (row?.has_more !== true) return swept;
    }
  }

  async digestKey(): Promise<{ id: string; key: Uint8Array }> {
    const offered = toHex(crypto.getRandomValues(new Uint8Array(KEY_BYTES)));
    const [row] = await this.#ask("select taffrail.digest_key_1($1) as key", [offered]);
    const key = fromHex(String(row?.key));
    return { id: toHex(Sha256.of(key).subarray(0, ID_BYTES)), key };
  }

  queue(held: HeldRun): AttemptQueue {
    if (held instanceof PostgresHeldRun && this.#held.has(held)) return held.queue;
    throw new TypeError("Cannot have attempts made by workers: the run is not held by this root");
  }

  jobs(
    { name: worker, labels, leaseMs }: {
      name: string;
      labels: readonly string[];
      leaseMs: number;
    },
  ): JobSource {
    const parts = { link: this.#link, session: this.#session, root: this.name };
    return new PostgresJobSource({ ...parts, worker, labels, leaseMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#held].map((held) => held[Symbol.asyncDispose]()));
    await Promise.all([this.#session.close(), this.#link.close()]);
  }

  #holdingOf(runId: string, row: PostgresRow): Holding {
    const token = BigInt(String(row.token));
    return this.#session.hold({ runNo: String(row.run_no), token, runId });
  }

  #heldAs(
    holding: Holding,
    { runId, floors, options: { durability = "os" } }: {
      runId: string;
      floors: Map<StreamLetter, Floor>;
      options: HoldOptions;
    },
  ): HeldRun {
    const held = new PostgresHeldRun({
      ...{ view: this.view(runId), root: this.name, link: this.#link, session: this.#session },
      ...{ holding, floors, durability },
      onClosed: (closed) => this.#held.delete(closed),
    });
    this.#held.add(held);
    return held;
  }

  #refuseUnusable(runId: string, about: unknown): void {
    const bytes = bytesOf(about);
    if (bytes === undefined) return;
    const details = { runId, path: this.name };
    let file: ReturnType<typeof parseRunFile>;
    try {
      file = parseRunFile(bytes);
    } catch (cause) {
      const problem = `Cannot use the run ${runId} in ${this.name}: its run.json cannot be read: ` +
        reasonOf(cause);
      throw runError("format", problem, { details, cause });
    }
    const { format, redacted } = file;
    if (format > RUN_FORMAT) {
      const problem = `Cannot use the run ${runId} in ${this.name}: it has format ${format}, and ` +
        `this version knows formats up to ${RUN_FORMAT}`;
      throw runError("format", problem, { details, remedy: "use a newer version of taffrail" });
    }
    if (redacted === true) throw redactedError(runId, this.name);
  }

  #existsError(runId: string): RunError {
    return runError("exists", `Cannot begin the run ${runId}: there is one of this id`, {
      details: { runId, path: this.name },
      remedy: "go on with that one, or choose another id",
    });
  }

  #liveError(runId: string, row: PostgresRow): RunError {
    const { host, pid } = holderIn(row.holder) ?? {};
    const who = pid === undefined ? "another process" : `process ${pid}`;
    const where = host === undefined ? "" : ` on ${host}`;
    return runError("live", `Cannot hold the run ${runId}: ${who}${where} holds it`, {
      details: { runId, path: this.name, ...defined({ actual: pid }) },
      remedy: "wait until that has ended",
    });
  }

  /** Asks by the session, once: what it takes there is there, or is lost with it. */
  async #sessionRow(text: string, values: readonly PostgresValue[]): Promise<PostgresRow> {
    const [row] = await this.#session.query(text, values);
    return row!;
  }

  /** Asks what may be asked twice. */
  async #ask(
    text: string,
    values: readonly PostgresValue[],
    runId?: string,
  ): Promise<readonly PostgresRow[]> {
    return await this.#attempt(runId, () => this.#link.ask(text, values));
  }

  async #attempt<T>(runId: string | undefined, operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      throw asRootError(error, { root: this.name, ...defined({ runId }) });
    }
  }
}

const LIST = "select run_id, about, holder, first_line, last_line, last_seq::text, bytes::text, " +
  "size::text from taffrail.list_runs_1($1, $2, $3, $4::int, $5::boolean, $6::boolean)";
const PEEKS = "select i.run_id, p.first_line, p.bytes::text, p.from_seq::text, p.lines " +
  "from unnest(string_to_array($1, chr(10))) as i (run_id), taffrail.peek_1(i.run_id, $2::int) p";
const RECEIVE = "select status, run_no::text, token::text from taffrail.receive_run_1($1, $2::int)";
const CREATE = "select status, run_no::text, token::text, last_ulid from taffrail.create_run_1" +
  "($1, $2, $3::bytea, $4, $5::int)";
const HOLD = "select status, run_no::text, token::text, holder, about, seqs " +
  "from taffrail.hold_run_1($1, $2, $3::int, $4::boolean)";

/** The last append to each stream, as `hold_run_1` says it. */
function floorsIn(seqs: string): Map<StreamLetter, Floor> {
  const floors = new Map<StreamLetter, Floor>();
  for (const line of seqs.split("\n")) {
    const [stream = "", seq = "", op = ""] = line.split(" ");
    floors.set(stream as StreamLetter, { seq: Number(seq), op: op === "" ? null : op });
  }
  return floors;
}

function listingOf(row: PostgresRow): RunListing {
  const { run_id, about, holder, first_line, last_line, last_seq, bytes, size } = row;
  const [first, last] = [first_line, last_line ?? first_line].map(eventIn);
  const peek = Number(last_seq) > 2 ? undefined : {
    events: [first, last_line === null ? undefined : last].filter((event) => event !== undefined),
    whole: true,
    size: Number(bytes),
  };
  return {
    runId: String(run_id),
    ...defined({ createdAt: createdAtIn(bytesOf(about)), holder: holderIn(holder), first, last }),
    ...defined({ peek, size: typeof size === "string" ? Number(size) : undefined }),
  };
}

/** What cannot be read of a run is left out: that it is there is known. */
function eventIn(line: unknown): RunEvent | undefined {
  if (typeof line !== "string") return undefined;
  return decodeTexts<RunEvent>([line], { firstSeq: 1 }).events[0]?.event;
}
