/**
 * Appends lines to the streams of a run. What is always true:
 *
 * 1. **One append is under way at a time**, and what is asked meanwhile goes together in the next one, so
 *    that lines stand in the order of the calls and waiting callers share a round trip and a sync.
 * 2. **It begins when the microtasks of the turn are over**, as a barrier does: what is recorded in one turn
 *    is one append, and the barrier that is asked for behind it is a part of it.
 *    What nobody waits for, copies of what the journal has, stays for a moment, to go with what comes next.
 * 3. **An append whose answer did not come is sent again**, with the same `op`; the server has it once.
 * 4. **Each append says behind which one it goes** that was acknowledged before: where the server does not have that
 *    any more, it was rewound, and nothing is appended any more.
 * 5. A server that warns while it commits has given up waiting for its standby: what was appended may be on
 *    one disk only. That is an unknown outcome, and for good.
 */
import { turn } from "../_internal/barrier.ts";
import type { Appended } from "../_internal/append_file.ts";
import { runError } from "../run/run_error.ts";
import type { Link } from "./link.ts";
import type { PostgresRow, PostgresValue } from "./types.ts";
import { Bell } from "./waiting.ts";

/** The streams of a run, by the letters that they have in the database. */
export const STREAMS = { capture: "c", events: "e", processes: "p", inbox: "i" } as const;
/** A stream, by its letter. */
export type StreamLetter = (typeof STREAMS)[keyof typeof STREAMS];

/** The last append to a stream that is known. */
export interface Floor {
  seq: number;
  op: string | null;
}

/** Lines for one stream. */
export interface Part {
  stream: StreamLetter;
  lines: readonly string[];
}

/** What an {@linkcode Appender} works with. */
interface AppenderOptions {
  link: Link;
  runNo: string;
  runId: string;
  /** The root, as it is called. */
  root: string;
  /** By which the holder is known; null for a log to which anybody appends. */
  token: bigint | null;
  floors: Map<StreamLetter, Floor>;
  /** Ends all: an append that was not answered is not sent again. */
  signal: AbortSignal;
  /** Told when lines are there, and when what this process sends is refused. */
  onAppended: (streams: ReadonlySet<StreamLetter>) => void;
  onRefused: (error: Error) => void;
}

/** Somebody who waits for an append. */
interface Request {
  parts: readonly Part[];
  /** The seq that the stream of its only part must end with. */
  expected: number | undefined;
  waits: boolean;
  /** Whether it may wait a moment for company. */
  isLazy: boolean;
  answered: PromiseWithResolvers<Appended>;
}

/** How long what nobody waits for stays for something to go with. */
const COMPANY_MS = 2;

/** What goes into one append. */
const MOST_CHARACTERS = 4 * 1024 ** 2;

/** What the server says of one part. */
interface Answer {
  status: string;
  first: number;
  last: number;
}

/** A stream was not what its writer expected: only for logs that many write. */
export class ConflictError extends Error {
  constructor(readonly expected: number, readonly actual: number) {
    super(`the log ends with seq ${actual}, not ${expected}`);
  }
}

/** Appends to the streams of one run. */
export class Appender {
  readonly #options: AppenderOptions;
  readonly #writer = crypto.randomUUID().slice(0, 13);
  #ops = 0;
  #queue: Request[] = [];
  #draining: Promise<void> | undefined;
  #failure: { of: unknown } | undefined;
  /** What was appended since something was waited for. */
  readonly #unsynced = new Set<StreamLetter>();
  /** The append that is under way. */
  #sending: { streams: ReadonlySet<StreamLetter>; waits: boolean; done: Promise<void> } | undefined;
  /** Rings when something comes that what waits for company can go with. */
  readonly #company = new Bell();
  /** Whether the server has warned while something was being appended. */
  #isDoubtful = false;

  constructor(options: AppenderOptions) {
    this.#options = options;
  }

  /** Resolves when all that was appended to some streams is on disk. */
  async barrier(streams: readonly StreamLetter[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.of;
    const isMeant = (lines: ReadonlySet<StreamLetter>) => streams.some((one) => lines.has(one));
    const isWaiting = this.#queue.some(({ parts }) => {
      return parts.some(({ stream }) => streams.includes(stream));
    });
    if (!isWaiting && !isMeant(this.#unsynced)) {
      if (this.#sending === undefined || !isMeant(this.#sending.streams)) return;
      // What is under way is waited for until it is on disk.
      if (this.#sending.waits) return await this.#sending.done;
    }
    await this.append([], { waits: true });
  }

  /** Appends lines; `waits`: until they are on disk, with all that was appended before. */
  append(
    parts: readonly Part[],
    { waits, expected, isLazy = false }: {
      waits: boolean;
      expected?: number | undefined;
      isLazy?: boolean;
    },
  ): Promise<Appended> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure.of);
    const answered = Promise.withResolvers<Appended>();
    this.#queue.push({ parts, expected, waits, isLazy, answered });
    if (!isLazy) this.#company.ring();
    this.#draining ??= this.#drain();
    return answered.promise;
  }

  /** Takes note of what the server has said by itself. */
  takeNotice(code: string): void {
    if (code === "01000" && this.#draining !== undefined) this.#isDoubtful = true;
  }

  /** Resolves when nothing is under way any more. */
  async idle(): Promise<void> {
    this.#company.ring();
    while (this.#draining !== undefined) await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whoever has waited for the append before this one may have more to append.
      await turn();
      if (this.#queue.every(({ isLazy }) => isLazy)) {
        this.#company.forget();
        await this.#company.wait(COMPANY_MS);
        await turn();
      }
      const requests = this.#takeTogether();
      try {
        if (this.#failure !== undefined) throw this.#failure.of;
        await this.#send(requests);
      } catch (error) {
        if (!(error instanceof ConflictError)) this.#fail(error);
        for (const { answered } of requests) answered.reject(error);
      }
    }
    this.#draining = undefined;
  }

  /** What goes together: one that expects a seq goes alone. */
  #takeTogether(): Request[] {
    let length = 0;
    let count = 0;
    for (const { parts, expected } of this.#queue) {
      if (count > 0 && (expected !== undefined || length > MOST_CHARACTERS)) break;
      for (const { lines } of parts) for (const line of lines) length += line.length;
      count++;
      if (expected !== undefined) break;
    }
    return this.#queue.splice(0, count);
  }

  async #send(requests: readonly Request[]): Promise<void> {
    const parts = joined(requests);
    const [{ expected } = { expected: undefined }] = requests;
    const op = `${this.#writer}.${++this.#ops}`;
    const waits = requests.some((request) => request.waits);
    const streams = new Set(parts.map(([stream]) => stream));
    const done = Promise.withResolvers<void>();
    done.promise.catch(() => {});
    this.#sending = { streams, waits, done: done.promise };
    try {
      const answers = await this.#ask(parts, { expected, op, waits });
      if (waits) this.#unsynced.clear();
      else for (const stream of streams) this.#unsynced.add(stream);
      done.resolve();
      this.#options.onAppended(streams);
      answer(requests, answers[0]!);
    } catch (error) {
      done.reject(error);
      throw error;
    } finally {
      this.#sending = undefined;
    }
  }

  async #ask(
    parts: readonly (readonly [StreamLetter, string[]])[],
    { expected, op, waits }: { expected: number | undefined; op: string; waits: boolean },
  ): Promise<Answer[]> {
    const values = parts.flatMap(([stream, lines]) => {
      return this.#valuesOf({ stream, lines, expected, op, waits });
    });
    const { link, signal } = this.#options;
    const text = APPENDS[parts.length - 1]!;
    const rows = await link.ask(text, values, { signal });
    const answers = rows.map(answerOf);
    if (this.#isDoubtful) throw this.#doubt();
    for (const [index, [stream, lines]] of parts.entries()) {
      this.#take(answers[index]!, { stream, lines, expected, op });
    }
    return answers;
  }

  #valuesOf(
    { stream, lines, expected, op, waits }: {
      stream: StreamLetter;
      lines: readonly string[];
      expected: number | undefined;
      op: string;
      waits: boolean;
    },
  ): PostgresValue[] {
    const { runNo, token, floors } = this.#options;
    const floor = floors.get(stream) ?? { seq: 0, op: null };
    const count = lines.length;
    const text = count === 0 ? null : lines.join("\n");
    const place = [String(floor.seq), floor.op, expected === undefined ? null : String(expected)];
    return [runNo, stream, token === null ? null : String(token), ...place, op, count, text, waits];
  }

  #take(
    { status, last }: Answer,
    { stream, lines, expected, op }: {
      stream: StreamLetter;
      lines: readonly string[];
      expected: number | undefined;
      op: string;
    },
  ): void {
    const { runId, root, floors } = this.#options;
    const appending = `Cannot append to the run ${runId} in ${root}:`;
    const details = { runId, path: root };
    switch (status) {
      case "ok":
        if (lines.length > 0) floors.set(stream, { seq: last, op });
        return;
      case "conflict":
        throw new ConflictError(expected!, last);
      case "rewound": {
        const { seq } = floors.get(stream)!;
        const problem = `${appending} its line ${seq} was acknowledged, and the server does not ` +
          "have it any more: it came back without its last moments";
        const remedy = "go on with the run: what was lost is done again";
        const rewound = { ...details, expected: seq, actual: last };
        throw runError("rewound", problem, { details: rewound, remedy });
      }
      case "fenced":
        throw runError("lost", `${appending} another process holds it`, { details });
      default:
        throw runError("lost", `${appending} it was removed`, { details });
    }
  }

  #doubt(): Error {
    const { runId, root } = this.#options;
    const problem = `Cannot vouch for what was appended to the run ${runId} in ${root}: the ` +
      "server has given up waiting for its standby";
    const remedy = "see to the standby, and go on with the run";
    return runError("sync", problem, { details: { runId, path: root }, remedy });
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { of: error };
    this.#options.onRefused(error instanceof Error ? error : new Error(String(error)));
  }
}

/** The parts of requests, by stream, in the order capture, events, processes; at least one. */
function joined(requests: readonly Request[]): [StreamLetter, string[]][] {
  const parts = new Map<StreamLetter, string[]>();
  for (const stream of ["c", "e", "p"] as const) {
    const lines = requests.flatMap((request) => {
      return request.parts.flatMap((part) => part.stream === stream ? part.lines : []);
    });
    if (lines.length > 0) parts.set(stream, lines);
  }
  if (parts.size === 0) parts.set(requests[0]?.parts[0]?.stream ?? "c", []);
  return [...parts];
}

/** Tells each who waits which seqs its own lines have; where there are several streams nobody asks. */
function answer(requests: readonly Request[], { first }: Answer): void {
  let next = first;
  for (const { parts, answered } of requests) {
    const count = parts[0]?.lines.length ?? 0;
    answered.resolve({ firstSeq: next, lastSeq: next + count - 1 });
    next += count;
  }
}

function answerOf(row: PostgresRow): Answer {
  return { status: String(row.status), first: Number(row.first_seq), last: Number(row.last_seq) };
}

/** Statements for one, two and three streams: one round trip, one transaction, in this order. */
const APPENDS = [1, 2, 3].map((count) => {
  return Array.from({ length: count }, (_, part) => {
    const types = [
      "bigint",
      '"char"',
      "bigint",
      "bigint",
      "text",
      "bigint",
      "text",
      "int",
      "text",
      "boolean",
    ];
    const values = types.map((type, at) => `$${part * types.length + at + 1}::${type}`);
    return `select status, first_seq::text, last_seq::text from taffrail.append_lines_1(${values})`;
  }).join(" union all ");
});
