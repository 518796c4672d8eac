import { checkObject, checkString } from "../../_internal/errors.ts";
import { denoFilePort, isNotFound, openRegularSync, sizeOf } from "../../_internal/file_port.ts";
import { type LineBlock, type LinePiece, linePieces, linesOf } from "../../_internal/json_lines.ts";
import { reasonOf } from "../../_internal/text.ts";
import { checkBundleShape } from "../bundle/bundle_text.ts";
import { CaptureJournalError, type CaptureJournalErrorKind } from "../errors.ts";
import type { CaptureBundle, InputRecord, TaffrailCaptureBundle } from "../types.ts";
import { CaptureRecorder, type Recording } from "./capture_recorder.ts";
import {
  decodeJournalLine,
  encodeJournalLine,
  JOURNAL_VERSION,
  type JournalLine,
  unknownVersionOf,
} from "./journal_lines.ts";

/**
 * Where a journal stops making sense:
 * - `torn`: the last line has no newline; its writer was killed inside the write
 * - `unreadable`: a line is not what a session writes
 * - `misnumbered`: a line does not have the number of its place, so lines are missing or double
 * - `disordered`: a line that cannot follow the one before it
 */
export type JournalDamageKind = "torn" | "unreadable" | "misnumbered" | "disordered";

/** The first line that was not used, nor was anything behind it. */
export interface JournalDamage {
  /** What is wrong with it. */
  kind: JournalDamageKind;
  /** Its number, from 1. */
  line: number;
  /** Where it begins in the file. */
  byteOffset: number;
  /** What is wrong, in words. */
  message: string;
}

/** What {@linkcode recoverCapture} found. */
export interface RecoveredCapture extends Recording {
  /** Where the journal stops making sense; `null` when it does to its end. */
  damage: JournalDamage | null;
  /** Which session of the journal this is: the first is 1. */
  session: number;
}

/** Options of {@linkcode recoverCapture}. */
export interface RecoverCaptureOptions {
  /**
   * Which session of the journal to recover: the first is 1.
   *
   * @default {the last one}
   */
  session?: number;
}

const BLOCK_BYTES = 256 * 1024;

const ONLY_NULS = "all its bytes are NUL, as a power cut leaves what was not on disk";

/**
 * Makes a bundle of a journal, whether its session ended or was killed. The bundle ends with the last
 * input whose decision is recorded, and replays strictly; what was begun behind it is named. Nothing is
 * changed: the journal may even be in use.
 *
 * {@linkcode resumeCapture} goes on with such a session.
 *
 * A journal that is damaged inside is used up to there, as nothing behind a lost input could be
 * replayed, and `damage` names the line.
 *
 * **Permissions**: `--allow-read` for the journal.
 *
 * @param journalPath The journal.
 * @param options Which session to recover.
 * @returns The bundle, and what is left over.
 * @throws {CaptureJournalError} `no-session` when no such session begins in the file; `version` when a
 * newer version began one that could be it; `io`.
 *
 * @example A session that was killed before its second event was decided on
 * ```ts
 * import { CapturingSession, openCaptureJournal, recoverCapture } from "@taffrail/taffrail/capture";
 * import { createEvent, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: { run: ({ eventId }) => eventId === "e1" ? "Completed" : new Promise(() => {}) },
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 *   journal: openCaptureJournal(path),
 * });
 * const at = { secs: 0, nanos: 0 };
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at }));
 * void session.onEvent(createEvent({ id: "e2", kind: "Command", at }));
 *
 * const { bundle, undecided } = await recoverCapture(path);
 * assertEquals(bundle.decisions.map(({ event_id }) => event_id), ["e1"]);
 * assertEquals(undecided.map(({ event_id }) => event_id), ["e2"]);
 * ```
 */
export async function recoverCapture(
  journalPath: string,
  options: RecoverCaptureOptions = {},
): Promise<RecoveredCapture> {
  checkString(journalPath, "journalPath");
  const { recorder, damage, session } = await readCaptureJournal(journalPath, options.session);
  return { ...recorder.recording(), damage, session };
}

/**
 * The text of a journal that holds what a bundle holds: {@linkcode recoverCapture} makes the same bundle of
 * it, and {@linkcode resumeCapture} goes on from it. For whoever has lost the journal of a session and
 * still has its bundle. Effects stand in their decisions, and what the journal had beyond the bundle,
 * inputs that nothing was decided on, is not in it.
 *
 * A bundle of format `"v3"` lacks the reasons of its decisions and how each attempt ended, so no journal
 * can be made of it.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @returns The lines, each with its newline.
 * @throws {TypeError} When the bundle is of format `"v3"`, has another shape than its type says, or has
 * not the decisions that belong to its inputs.
 * @throws {RangeError} When an integer is out of range.
 *
 * @example Usage
 * ```ts
 * import { CapturingSession, recoverCapture, stringifyCaptureJournal } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new CapturingSession({
 *   graphId: "g",
 *   mode: "concurrent",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 * await session.supervisor.idle();
 * const bundle = session.intoBundle();
 *
 * const path = `${await Deno.makeTempDir()}/capture.jsonl`;
 * await Deno.writeTextFile(path, stringifyCaptureJournal(bundle));
 * assertEquals((await recoverCapture(path)).bundle, bundle);
 * ```
 */
export function stringifyCaptureJournal(bundle: CaptureBundle): string {
  checkObject(bundle, "bundle");
  if (!("inputs" in bundle)) {
    throw new TypeError(
      "Cannot make a journal of the bundle: it is not of format taffrail-v1, which alone says all " +
        "that a journal does",
    );
  }
  checkBundleShape(bundle);
  const { capture_version: _, inputs, decisions, ...header } = bundle;
  const lines: JournalLine[] = [{ type: "session", journal_version: JOURNAL_VERSION, ...header }];
  let decided = 0;
  for (const [index, input] of inputs.entries()) {
    lines.push(input);
    if (!isDecided(bundle, inputs[index + 1])) continue;
    const decision = decisions[decided++];
    if (decision !== undefined) lines.push({ type: "decision", ...decision });
  }
  if (decided !== decisions.length) {
    throw new TypeError(
      `Cannot make a journal of the bundle: its ${decisions.length} decisions are not those of its ` +
        `${inputs.length} inputs`,
    );
  }
  return lines.map((line, index) => encodeJournalLine(index + 1, line) + "\n").join("");
}

/** Whether an input has a decision before the next one: in serial mode the attempts of an event go first. */
function isDecided({ mode }: TaffrailCaptureBundle, next: InputRecord | undefined): boolean {
  return mode === "concurrent" || next?.type !== "completion";
}

/** A session as its journal has it. */
export interface ReadCapture {
  recorder: CaptureRecorder;
  damage: JournalDamage | null;
  session: number;
  /** How many lines the file has. */
  lines: number;
}

/** Reads a session of a journal: the last one, or the one that is wanted. */
export async function readCaptureJournal(
  journalPath: string,
  wanted?: number,
): Promise<ReadCapture> {
  const reader = new JournalReader(wanted);
  const failure = (kind: CaptureJournalErrorKind, what: string, cause?: unknown) => {
    const message = `Cannot recover ${journalPath}: ${what}`;
    return new CaptureJournalError(kind, message, { details: { path: journalPath }, cause });
  };
  try {
    const file = openRegularSync(denoFilePort, journalPath, { read: true });
    try {
      // A session may still record, faster than this reads.
      const end = sizeOf(file);
      for await (const piece of linePieces(file, { start: 0, blockBytes: BLOCK_BYTES, end })) {
        reader.take(piece);
        if (piece.kind === "end") break;
      }
    } finally {
      file.close();
    }
  } catch (cause) {
    throw failure("io", isNotFound(cause) ? "it does not exist" : reasonOf(cause), cause);
  }
  if (reader.unknownVersion !== undefined) {
    const what =
      `its journal_version is '${reader.unknownVersion}', which this version does not know`;
    throw failure("version", what);
  }
  const read = reader.finish();
  if (read !== null) return read;
  const which = wanted === undefined ? "no session" : `no session ${wanted}`;
  throw failure("no-session", `${which} begins in it${reader.reasonForNone}`);
}

/** Goes through the lines of a journal and keeps the last session, or the one that is wanted. */
class JournalReader {
  /** The version of a session that was begun by another version than this one. */
  unknownVersion: string | undefined;
  #recorder: CaptureRecorder | null = null;
  #damage: JournalDamage | null = null;
  #session = 0;
  #lines = 0;
  #isDone = false;

  constructor(readonly wanted: number | undefined) {}

  take(piece: LinePiece): void {
    if (this.#isDone) return;
    if (piece.kind === "lines") return this.#takeLines(piece);
    if (piece.kind === "end" && piece.byteLength === 0) return;
    this.#lines++;
    const place = { line: this.#lines, byteOffset: piece.byteOffset };
    const { byteLength } = piece;
    this.#damage ??= piece.kind === "end"
      ? { kind: "torn", ...place, message: `its ${byteLength} bytes have no newline` }
      : { kind: "unreadable", ...place, message: `it is ${byteLength} bytes long` };
  }

  /** Why no session was found, as the end of a sentence. */
  get reasonForNone(): string {
    if (this.#lines === 0) return ": it is empty";
    if (this.#damage === null) return "";
    const { kind, line, message } = this.#damage;
    return `: line ${line} is ${kind} (${message})`;
  }

  finish(): ReadCapture | null {
    const [recorder, session] = [this.#recorder, this.#session];
    if (recorder === null || session !== (this.wanted ?? session)) return null;
    return { recorder, damage: this.#damage, session, lines: this.#lines };
  }

  #takeLines(block: LineBlock): void {
    for (const { bytes, byteOffset } of linesOf(block)) {
      if (this.#isDone) return;
      this.#lines++;
      this.#takeLine(bytes, byteOffset);
    }
  }

  #takeLine(bytes: Uint8Array, byteOffset: number): void {
    const refuse = (kind: JournalDamageKind, message: string) => {
      this.#damage ??= { kind, line: this.#lines, byteOffset, message };
    };
    try {
      const { number, line } = decodeJournalLine(bytes);
      if (number !== this.#lines) return refuse("misnumbered", `it has the number ${number}`);
      // A session that begins behind damage is whole again.
      if (line.type === "session") return this.#begin(line);
      if (line.type === "resumed") return this.#resume(line.lines, refuse);
      if (this.#damage !== null) return;
      const problem = this.#record(line);
      if (problem !== null) refuse("disordered", problem);
    } catch (error) {
      this.unknownVersion ??= unknownVersionOf(bytes);
      const isBlank = bytes.length > 0 && bytes.every((byte) => byte === 0);
      refuse("unreadable", isBlank ? ONLY_NULS : reasonOf(error));
    }
  }

  /** A session that was resumed after damage is whole again, too. */
  #resume(lines: number, refuse: (kind: JournalDamageKind, message: string) => void): void {
    const used = (this.#damage?.line ?? this.#lines) - 1;
    if (lines === used && this.#recorder !== null) this.#damage = null;
    else refuse("disordered", `it goes on behind line ${lines}`);
  }

  #begin(line: JournalLine & { type: "session" }): void {
    if (this.#session === this.wanted) {
      this.#isDone = true;
      return;
    }
    const { type: _type, journal_version: _version, ...header } = line;
    this.#recorder = new CaptureRecorder(header);
    this.#damage = null;
    this.#session++;
  }

  /** Returns what is wrong with the order of the lines, if anything is. */
  #record(line: Exclude<JournalLine, { type: "session" | "resumed" }>): string | null {
    const recorder = this.#recorder;
    if (recorder === null) return "no session began before it";
    if (line.type === "decision") {
      if (!recorder.hasUndecided) return "there is no input for this decision";
      const { type: _, ...decision } = line;
      recorder.addDecision(decision);
    } else if (line.type === "effects") {
      if (line.decision_index >= recorder.decisions.length) return "there is no such decision";
      recorder.setEffects(line.decision_index, line.effects);
    } else {
      recorder.addInput(line);
    }
    return null;
  }
}
