/**
 * How the lines of a journal are read, line by line. What always holds:
 *
 * 1. **A line counts if everything before it counts, and it is whole, has the number of its place, and can
 *    follow.** The first one that does not is the damage, and nothing behind it counts, until a session
 *    begins or goes on behind it.
 * 2. **A tail that a power cut took is no damage.** Which pages of what was not synced are on disk is up to
 *    chance: lines may be NULs, stubs, or gone, and whole ones may stand behind them. Each line says as
 *    news how many were on disk when it was written (`synced`): if no readable line behind the damage says
 *    that the damaged one was, nothing depends on it that could be seen outside.
 * 3. **What is readable and wrong was not lost**: a power cut makes no JSON.
 * 4. **Nothing is held** but the block that is being read.
 */
import { checkFunction, checkInteger, checkObject } from "../../_internal/errors.ts";
import { denoFilePort, isNotFound, openRegularSync, sizeOf } from "../../_internal/file_port.ts";
import { type LinePiece, linePieces, linesOf } from "../../_internal/json_lines.ts";
import { reasonOf } from "../../_internal/text.ts";
import { CaptureJournalError, type CaptureJournalErrorKind } from "../errors.ts";
import {
  decodeJournalLine,
  isInput,
  isJson,
  type JournalLine,
  LinesHash,
  unknownVersionOf,
} from "./journal_lines.ts";

/**
 * Where a journal stops making sense:
 * - `torn`: the last line has no newline; its writer was killed inside the write
 * - `unreadable`: a line is not what a session writes
 * - `misnumbered`: a line does not have the number of its place, so lines are missing or double
 * - `disordered`: a line that cannot follow the one before it
 * - `altered`: a session was resumed at this line, and what stands before it is not what stood there then
 */
export type JournalDamageKind = "torn" | "unreadable" | "misnumbered" | "disordered" | "altered";

/** The first line that was not used, nor was anything behind it. */
export interface JournalDamage {
  /** What is wrong with it. */
  kind: JournalDamageKind;
  /** Its number, from 1. */
  line: number;
  /** Where it begins in the file; left out of lines that are in none. */
  byteOffset?: number;
  /** What is wrong, in words. */
  message: string;
  /**
   * Whether it is what a kill or a power cut leaves of a tail that was not on disk yet, so that the session
   * can go on without it.
   */
  lost: boolean;
}

/** One line of a journal, in order: its text, or its bytes in UTF-8, or why it cannot be had. */
export type RawCaptureLine = string | Uint8Array | { unreadable: string };

/** The lines of a journal, each without its newline, wherever they come from. */
export type CaptureLines = Iterable<RawCaptureLine> | AsyncIterable<RawCaptureLine>;

/** One line of a journal that counts, without its place. */
export type CaptureLine = JournalLine;

/** Options of {@linkcode readCaptureLines}. */
export interface ReadCaptureLinesOptions {
  /**
   * Which session to read: the first is 1.
   *
   * @default {all of them; each begins with its line `session`}
   */
  session?: number;
  /**
   * Whether to make sure, where the session was resumed, that what stands before that has not been altered
   * since. It takes about as long as reading does.
   *
   * @default {false}
   */
  checkHashes?: boolean;
}

/** What {@linkcode readCaptureLines} found. */
export interface CaptureReading {
  /** Where the journal stops making sense; `null` when it does to its end. */
  damage: JournalDamage | null;
  /** Which session of the journal was read, of all of them the last: the first is 1. */
  session: number;
  /** How many lines the journal has, those that do not count among them, but for a torn one at its end. */
  lines: number;
  /** How many of them are known to be on disk. */
  synced: number;
  /** Where hashes are checked, the hash of the lines that count: what a line `resumed` behind them says. */
  hash?: string;
}

const BLOCK_BYTES = 256 * 1024;

const ONLY_NULS = "all its bytes are NUL, as a power cut leaves what was not on disk";

/**
 * Goes through the lines of a journal that count, in order, and holds none of them: for what is counted,
 * summed up or looked for. Nothing is changed: the journal may even be in use.
 *
 * **Permissions**: `--allow-read` for the journal, if it is a file.
 *
 * @param source The path of the journal, or its lines.
 * @param visit Called for each line that counts.
 * @param options What to read of it.
 * @returns How far it makes sense.
 * @throws {CaptureJournalError} `no-session` when no such session begins in it; `version` when a newer
 * version began one that could be it; `io`.
 *
 * @example The reasons for which something had to wait
 * ```ts
 * import { CapturingSession, openCaptureJournal, readCaptureLines } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0, max_per_window: 1, rate_window: { secs: 9, nanos: 0 } },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 *   journal: openCaptureJournal(path),
 * });
 * const at = { secs: 0, nanos: 0 };
 * for (const id of ["e1", "e2"]) await session.onEvent(createEvent({ id, kind: "Command", at }));
 * await session.close();
 *
 * const reasons: string[] = [];
 * await readCaptureLines(path, (line) => {
 *   if (line.type === "decision" && line.decision === "Defer") reasons.push(line.reason);
 * });
 * assertEquals(reasons, ["rate_limited"]);
 * ```
 */
export async function readCaptureLines(
  source: string | CaptureLines,
  visit: (line: CaptureLine) => void,
  options: ReadCaptureLinesOptions = {},
): Promise<CaptureReading> {
  const name = checkSource(source);
  checkFunction(visit, "visit");
  const { session: wanted } = checkObject(options, "options") as ReadCaptureLinesOptions;
  if (wanted !== undefined) checkInteger(wanted, "session");
  const scan = new JournalScan(visit, options);
  const failure = (
    kind: CaptureJournalErrorKind,
    what: string,
    { cause, ...more }: { cause?: unknown; lines?: number; lost?: boolean } = {},
  ) => {
    const details = { ...(typeof source === "string" && { path: source }), ...more };
    return new CaptureJournalError(kind, `Cannot recover ${name}: ${what}`, { details, cause });
  };
  if (typeof source === "string") {
    try {
      await scanFile(source, scan);
    } catch (cause) {
      if (cause instanceof VisitError) throw cause.of;
      throw failure("io", isNotFound(cause) ? "it does not exist" : reasonOf(cause), { cause });
    }
  } else await scanLines(source, scan);
  if (scan.unknownVersion !== undefined) {
    const version = `'${scan.unknownVersion}'`;
    throw failure("version", `its journal_version is ${version}, which this version does not know`);
  }
  const reading = scan.finish();
  if (reading !== null) return reading;
  const which = wanted === undefined ? "no session" : `no session ${wanted}`;
  throw failure("no-session", `${which} begins in it${scan.reasonForNone}`, scan.rest);
}

/** What a source is called. */
export function checkSource(source: unknown): string {
  if (typeof source === "string") return source;
  const isIterable = typeof source === "object" && source !== null &&
    (Symbol.iterator in source || Symbol.asyncIterator in source);
  if (isIterable) return "the lines of the journal";
  throw new TypeError("Cannot use the journal: expected its path, or its lines");
}

async function scanFile(path: string, scan: JournalScan): Promise<void> {
  const file = openRegularSync(denoFilePort, path, { read: true });
  try {
    // A session may still record, faster than this reads.
    const end = sizeOf(file);
    for await (const piece of linePieces(file, { start: 0, blockBytes: BLOCK_BYTES, end })) {
      await scan.takePiece(piece);
      if (piece.kind === "end" || scan.isDone) break;
    }
  } finally {
    file.close();
  }
}

async function scanLines(lines: CaptureLines, scan: JournalScan): Promise<void> {
  const take = (line: RawCaptureLine) => {
    if (typeof line === "string" || line instanceof Uint8Array) scan.take(line);
    else scan.takeUnreadable(line.unreadable);
    return scan.isDone;
  };
  try {
    if (Symbol.iterator in lines) {
      for (const line of lines) {
        if (take(line)) return;
        if (scan.hasPiece) await scan.hashPiece();
      }
    } else {
      for await (const line of lines) {
        if (take(line)) return;
        if (scan.hasPiece) await scan.hashPiece();
      }
    }
  } catch (error) {
    throw error instanceof VisitError ? error.of : error;
  }
}

/** What the caller's function has thrown, which is its own. */
class VisitError extends Error {
  constructor(readonly of: unknown) {
    super("Cannot go on reading: the caller's function has thrown");
  }
}

/** Goes through the lines of a journal, and judges each by those before it. */
export class JournalScan {
  /** The version of a session that was begun by another version than this one. */
  unknownVersion: string | undefined;
  /** Whether the session that is wanted is over. */
  isDone = false;
  readonly #visit: (line: JournalLine) => void;
  readonly #wanted: number | undefined;
  readonly #checksHashes: boolean;
  #hash = new LinesHash();
  #session = 0;
  #lines = 0;
  #synced = 0;
  #damage: Omit<JournalDamage, "lost"> | null = null;
  /** Whether the damage may be a lost tail, as far as it is looked at. */
  #mayBeLost = false;
  #decisions = 0;
  #hasUndecided = false;

  constructor(visit: (line: JournalLine) => void, options: ReadCaptureLinesOptions) {
    this.#visit = visit;
    this.#wanted = options.session;
    this.#checksHashes = options.checkHashes ?? false;
  }

  /** Why no session was found, as the end of a sentence. */
  get reasonForNone(): string {
    if (this.#damage === null) return this.#lines === 0 ? ": it is empty" : "";
    const { kind, line, message } = this.#damage;
    return `: line ${line} is ${kind} (${message})`;
  }

  /** What there is where no session begins. */
  get rest(): { lines: number; lost: boolean } {
    const lost = this.#damage === null ? this.#lines === 0 : this.#mayBeLost;
    return { lines: this.#lines, lost };
  }

  finish(): CaptureReading | null {
    const session = this.#session;
    if (session === 0 || session !== (this.#wanted ?? session)) return null;
    const damage = this.#damage && { ...this.#damage, lost: this.#mayBeLost && !this.isDone };
    const hash = this.#checksHashes ? { hash: this.#hash.digest() } : {};
    return { damage, session, lines: this.#lines, synced: this.#synced, ...hash };
  }

  /** Whether there is enough to be hashed that it is faster to wait for it. */
  get hasPiece(): boolean {
    return this.#checksHashes && this.#hash.isFull;
  }

  async hashPiece(): Promise<void> {
    await this.#hash.nextPiece();
  }

  async takePiece(piece: LinePiece): Promise<void> {
    if (piece.kind === "lines") {
      for (const { bytes, byteOffset } of linesOf(piece)) {
        if (this.isDone) return;
        this.take(bytes, byteOffset);
        if (this.hasPiece) await this.hashPiece();
      }
      return;
    }
    const { kind, byteOffset, byteLength } = piece;
    if (kind === "end" && byteLength === 0) return;
    if (kind !== "end") return this.takeUnreadable(`it is ${byteLength} bytes long`, byteOffset);
    this.#lines++;
    const message = `its ${byteLength} bytes have no newline`;
    this.#refuse("torn", message, { byteOffset, mayBeLost: true });
    // Whoever goes on puts another one in its place.
    this.#lines--;
  }

  takeUnreadable(message: string, byteOffset?: number): void {
    this.#lines++;
    this.#refuse("unreadable", message, { byteOffset, mayBeLost: true });
  }

  take(text: string | Uint8Array, byteOffset?: number): void {
    this.#lines++;
    let placed: ReturnType<typeof decodeJournalLine>;
    try {
      placed = decodeJournalLine(text);
    } catch (error) {
      this.unknownVersion ??= unknownVersionOf(text);
      const message = isBlank(text) ? ONLY_NULS : reasonOf(error);
      return this.#refuse("unreadable", message, { byteOffset, mayBeLost: !isJson(text) });
    }
    const { number, synced, line } = placed;
    if (synced !== undefined) this.#takeSynced(synced);
    if (number !== this.#lines) {
      const place = { byteOffset, mayBeLost: number > this.#lines };
      return this.#refuse("misnumbered", `it has the number ${number}`, place);
    }
    const problem = this.#problemOf(line);
    if (problem !== undefined) return this.#refuse(...problem, { byteOffset, mayBeLost: false });
    this.isDone = line.type === "session" && this.#session === this.#wanted;
    if (this.isDone) return;
    // A session that begins or goes on behind damage is whole again.
    if (line.type === "session" || line.type === "resumed") this.#damage = null;
    if (this.#damage === null) this.#count(line, text);
  }

  #refuse(
    kind: JournalDamageKind,
    message: string,
    place: { byteOffset: number | undefined; mayBeLost: boolean },
  ): void {
    if (this.#damage !== null) return;
    const { byteOffset, mayBeLost } = place;
    const at = byteOffset === undefined ? {} : { byteOffset };
    this.#damage = { kind, line: this.#lines, ...at, message };
    // A line in a wrong place may itself say that the one that was there is on disk.
    this.#mayBeLost = mayBeLost && this.#synced < this.#lines;
  }

  /** What a line says to be on disk was not lost. */
  #takeSynced(synced: number): void {
    if (this.#damage === null) this.#synced = Math.max(this.#synced, synced);
    else if (synced >= this.#damage.line) this.#mayBeLost = false;
  }

  /** Why a line cannot follow those before it. */
  #problemOf(line: JournalLine): [JournalDamageKind, string] | undefined {
    if (line.type === "session") return;
    if (this.#session === 0) return ["disordered", "no session began before it"];
    switch (line.type) {
      case "resumed":
        return this.#problemOfResumed(line);
      case "decision":
        if (!this.#hasUndecided) return ["disordered", "there is no input for this decision"];
        return;
      case "effects":
        if (line.decision_index < this.#decisions) return;
        return ["disordered", "there is no such decision"];
    }
  }

  #problemOfResumed(
    { lines, hash }: { lines: number; hash: string },
  ): [JournalDamageKind, string] | undefined {
    const used = (this.#damage?.line ?? this.#lines) - 1;
    const fits = lines === used && (this.#damage === null || this.#mayBeLost);
    if (!fits) return ["disordered", `it goes on behind line ${lines}`];
    if (!this.#checksHashes || hash === this.#hash.digest()) return;
    this.#damage = null;
    return ["altered", "the lines before it are not those that it went on from"];
  }

  #count(line: JournalLine, text: string | Uint8Array): void {
    if (line.type === "session") {
      this.#session++;
      this.#decisions = 0;
      this.#hasUndecided = false;
      this.#hash = new LinesHash();
    } else if (line.type === "decision") {
      this.#decisions++;
      this.#hasUndecided = false;
    } else if (isInput(line)) this.#hasUndecided = true;
    if (this.#checksHashes) this.#hash.add(text);
    if (this.#wanted !== undefined && this.#wanted !== this.#session) return;
    try {
      this.#visit(line);
    } catch (error) {
      throw new VisitError(error);
    }
  }
}

function isBlank(text: string | Uint8Array): boolean {
  if (text.length === 0) return false;
  return typeof text === "string" ? /^\0+$/.test(text) : text.every((byte) => byte === 0);
}
