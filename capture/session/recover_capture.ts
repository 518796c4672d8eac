import { checkObject } from "../../_internal/errors.ts";
import { checkBundleShape } from "../bundle/bundle_text.ts";
import type { BundleNote, CaptureBundle, InputRecord, TaffrailCaptureBundle } from "../types.ts";
import { CaptureRecorder, type Recording } from "./capture_recorder.ts";
import {
  encodeJournalLine,
  JOURNAL_VERSION,
  type JournalLine,
  LinesHash,
  type SessionHeader,
} from "./journal_lines.ts";
import {
  type CaptureLine,
  type CaptureLines,
  type CaptureReading,
  type JournalDamage,
  readCaptureLines,
  type ReadCaptureLinesOptions,
} from "./read_capture_lines.ts";

/** What {@linkcode recoverCapture} found. */
export interface RecoveredCapture extends Recording {
  /** Where the journal stops making sense; `null` when it does to its end. */
  damage: JournalDamage | null;
  /** Which session of the journal this is: the first is 1. */
  session: number;
  /** How many lines the journal has, those that do not count among them, but for a torn one at its end. */
  lines: number;
  /** How many of them are known to be on disk. */
  synced: number;
}

/** Options of {@linkcode recoverCapture}. */
export interface RecoverCaptureOptions {
  /**
   * Which session of the journal to recover: the first is 1.
   *
   * @default {the last one}
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
 * **Permissions**: `--allow-read` for the journal, if it is a file.
 *
 * @param source The path of the journal, or its lines.
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
  source: string | CaptureLines,
  options: RecoverCaptureOptions = {},
): Promise<RecoveredCapture> {
  return recoveredOf(await readCaptureJournal(source, options));
}

/** What was read, for whoever goes on with it. It changes with the recorder. */
export function recoveredOf({ recorder, reading }: ReadCapture): RecoveredCapture {
  const { damage, session, lines, synced } = reading;
  return { ...recorder.recording(), damage, session, lines, synced };
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
  const { capture_version: _, inputs, decisions, notes = [], ...header } = bundle;
  const lines = new JournalText(notes);
  lines.write({ type: "session", journal_version: JOURNAL_VERSION, ...header });
  let decided = 0;
  for (const [index, input] of inputs.entries()) {
    lines.writeInPlace(input);
    if (!isDecided(bundle, inputs[index + 1])) continue;
    const decision = decisions[decided++];
    if (decision !== undefined) lines.writeInPlace({ type: "decision", ...decision });
  }
  if (decided !== decisions.length) {
    throw new TypeError(
      `Cannot make a journal of the bundle: its ${decisions.length} decisions are not those of its ` +
        `${inputs.length} inputs`,
    );
  }
  lines.writeNotes(Infinity);
  return lines.text;
}

/** The text of a journal that is made of a bundle. */
class JournalText {
  text = "";
  readonly #hash = new LinesHash();
  readonly #notes: readonly BundleNote[];
  #written = 0;
  #noted = 0;
  /** How many inputs and decisions were written. */
  #inPlace = 0;

  constructor(notes: readonly BundleNote[]) {
    this.#notes = notes;
  }

  /** Writes an input or a decision, behind the notes that stood before it. */
  writeInPlace(line: JournalLine): void {
    this.writeNotes(this.#inPlace);
    this.write(line);
    this.#inPlace++;
  }

  /** Writes the notes that stood before so many inputs and decisions. */
  writeNotes(before: number): void {
    for (let next; (next = this.#notes[this.#noted]) !== undefined; this.#noted++) {
      const { after, ...note } = next;
      if (after > before) return;
      if (note.type !== "resumed") this.write(note);
      else this.write({ ...note, lines: this.#written, hash: this.#hash.digest() });
    }
  }

  write(line: JournalLine): void {
    const text = encodeJournalLine({ number: ++this.#written }, line);
    this.#hash.add(text);
    this.text += `${text}\n`;
  }
}

/** Whether an input has a decision before the next one: in serial mode the attempts of an event go first. */
function isDecided({ mode }: TaffrailCaptureBundle, next: InputRecord | undefined): boolean {
  return mode === "concurrent" || next?.type !== "completion";
}

/** A session as its journal has it. */
export interface ReadCapture {
  recorder: CaptureRecorder;
  reading: CaptureReading;
}

/** Reads a session of a journal: the last one, or the one that is wanted. */
export async function readCaptureJournal(
  source: string | CaptureLines,
  options: ReadCaptureLinesOptions = {},
): Promise<ReadCapture> {
  let recorder: CaptureRecorder | undefined;
  const reading = await readCaptureLines(source, (line) => {
    if (line.type === "session") recorder = new CaptureRecorder(headerOf(line));
    else recorder!.add(line);
  }, options);
  // Without a session it has thrown.
  return { recorder: recorder!, reading };
}

function headerOf(
  { type: _type, journal_version: _version, ...header }: CaptureLine & { type: "session" },
): SessionHeader {
  return header;
}
