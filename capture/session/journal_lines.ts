import {
  array,
  type Codec,
  encodeJson,
  membersOf,
  printedByEngine,
  string,
  u64,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { unitEnum } from "../../_internal/wire_json/enums.ts";
import { JsonPlace } from "../../_internal/wire_json/errors.ts";
import type { JsonValue } from "../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../_internal/wire_json/parse_json.ts";
import { decodeUtf8, encodeUtf8, NEWLINE } from "../../_internal/text.ts";
import { closedStruct, openStruct } from "../../_internal/wire_json/struct.ts";
import { provenance, sessionFields } from "../bundle/bundle_text.ts";
import { capturedEffect, sha256Hex, sha256HexOf } from "../bundle/effects.ts";
import { decisionRecordFields, inputRecord } from "../bundle/record_codecs.ts";
import { note, resumedFields } from "../bundle/note_codecs.ts";
import type {
  BundleProvenance,
  CapturedActionEffect,
  DecisionRecord,
  InputRecord,
  NoteRecord,
  ResumedRecord,
  TaffrailCaptureBundle,
} from "../types.ts";

/** What is known of a session before its first input. */
export type SessionHeader =
  & Pick<
    TaffrailCaptureBundle,
    "graph_id" | "mode" | "config" | "max_deferred" | "backoff" | "redacted"
  >
  & BundleProvenance;

/** The first line of a session. */
interface SessionLine extends SessionHeader {
  /** Tells it from other lines. */
  type: "session";
  /** The format of the journal. */
  journal_version: "taffrail-v1";
}

/** A decision. */
interface DecisionLine extends DecisionRecord {
  /** Tells it from other lines. */
  type: "decision";
}

/** The effects of a decision; the last such line counts. */
interface EffectsLine {
  /** Tells it from other lines. */
  type: "effects";
  /** Which decision of the session: the first is 0. */
  decision_index: number;
  /** Its effects. */
  effects: CapturedActionEffect[];
}

/** The session goes on: another process has taken it up again. */
interface ResumedLine extends ResumedRecord {
  /** How many lines before it count. What may stand between them and this one is damaged. */
  lines: number;
  /** The hash of the lines before it that count: see {@linkcode LinesHash}. */
  hash: string;
}

/** One line of a journal, without its number. */
export type JournalLine =
  | SessionLine
  | InputRecord
  | DecisionLine
  | EffectsLine
  | NoteRecord
  | ResumedLine;

/** What {@linkcode SessionLine.journal_version} says. */
export const JOURNAL_VERSION = "taffrail-v1";

const sessionLine = closedStruct({
  type: unitEnum(["session"]),
  journal_version: unitEnum([JOURNAL_VERSION]),
  ...sessionFields,
  ...provenance,
}) as Codec<SessionLine>;

const decisionLine = printedByEngine(
  openStruct({ type: unitEnum(["decision"]), ...decisionRecordFields }) as Codec<DecisionLine>,
);

const effectsLine: Codec<EffectsLine> = closedStruct({
  type: unitEnum(["effects"]),
  decision_index: usize,
  effects: array(capturedEffect),
});

const resumedLine = closedStruct({
  type: unitEnum(["resumed"]),
  lines: usize,
  ...resumedFields,
  hash: string,
}) as Codec<ResumedLine>;

const codecs = {
  session: sessionLine,
  event: inputRecord,
  completion: inputRecord,
  withdraw: inputRecord,
  decision: decisionLine,
  effects: effectsLine,
  wait: note,
  waited: note,
  record: note,
  ended: note,
  resumed: resumedLine,
} as unknown as Record<JournalLine["type"], Codec<JournalLine>>;

const types = unitEnum(Object.keys(codecs) as JournalLine["type"][]);

/** The place of a line in its journal. */
export interface LinePlace {
  /** Its number, from 1: with it a line that is missing is noticed. */
  number: number;
  /** How many lines were known to be on disk when it was written, where that was news. */
  synced?: number | undefined;
}

/** The text of a line, its place first. */
export function encodeJournalLine({ number, synced }: LinePlace, line: JournalLine): string {
  const place = synced === undefined ? `"line":${number}` : `"line":${number},"synced":${synced}`;
  return `{${place},${encodeJson(codecs[line.type], line).slice(1)}`;
}

/** A line and its place. */
interface PlacedLine extends LinePlace {
  line: JournalLine;
}

/** Reads a line. Throws a `SyntaxError`, `TypeError` or `RangeError` that says what is wrong. */
export function decodeJournalLine(text: string | Uint8Array): PlacedLine {
  return decodePrintedLine(text) ?? decodeStrictly(text);
}

const PLACE = /^\{"line":([1-9][0-9]{0,14}),(?:"synced":([1-9][0-9]{0,14}),)?/;

/**
 * Reads a line as it is printed here, which takes a third of the time: if what is plain prints as the very
 * same text again, the engine has read all that is in it, and nothing else.
 */
function decodePrintedLine(bytes: string | Uint8Array): PlacedLine | undefined {
  try {
    const text = typeof bytes === "string" ? bytes : decodeUtf8(bytes);
    const place = PLACE.exec(text);
    if (place === null) return undefined;
    const [start, number, synced] = place;
    const rest = `{${text.slice(start.length)}`;
    const line: JournalLine = JSON.parse(rest);
    const isPlain = types.isPlain!(line.type) && codecs[line.type].isPlain?.(line);
    if (!isPlain || JSON.stringify(line) !== rest) return undefined;
    return {
      number: Number(number),
      synced: synced === undefined ? undefined : Number(synced),
      line,
    };
  } catch {
    // The strict reader says what is wrong.
    return undefined;
  }
}

function decodeStrictly(text: string | Uint8Array): PlacedLine {
  const place = new JsonPlace("read");
  const { line: number, synced, ...tree } = membersOf<JsonValue>(parseJson(text), place);
  if (number === undefined) return place.refuse("missing field `line`");
  const { type } = tree;
  if (type === undefined) return place.refuse("missing field `type`");
  return {
    number: u64.read(number, place),
    synced: synced === undefined ? undefined : u64.read(synced, place),
    line: codecs[types.read(type, place)].read(tree, place),
  };
}

/** The version that a line begins a session of, where that is one that is not known here. */
export function unknownVersionOf(text: string | Uint8Array): string | undefined {
  try {
    const decoded = typeof text === "string" ? text : new TextDecoder().decode(text);
    const { type, journal_version: version } = JSON.parse(decoded);
    const isOther = type === "session" && typeof version === "string" &&
      version !== JOURNAL_VERSION;
    return isOther ? version : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a line is an input, for which a decision is to come. */
export function isInput(line: JournalLine): line is InputRecord {
  return line.type === "event" || line.type === "completion" || line.type === "withdraw";
}

/** Whether a text is JSON, as what a power cut leaves of a line never is. */
export function isJson(text: string | Uint8Array): boolean {
  try {
    JSON.parse(typeof text === "string" ? text : decodeUtf8(text));
    return true;
  } catch {
    return false;
  }
}

const PIECE_BYTES = 64 * 1024;
const HASH_DIGITS = 64;

/**
 * The hash of lines, each with its newline, that can be asked for at any of them while no more than a piece
 * is held: the SHA-256 of the hash of all pieces before, as 64 hexadecimal digits, and of what stands in the
 * last piece. A piece ends with the line that makes it 64 KiB or longer.
 */
export class LinesHash {
  /** Room for the hash of the pieces before, and behind that the lines of this one. */
  #bytes = new Uint8Array(HASH_DIGITS + 2 * PIECE_BYTES);
  #end = HASH_DIGITS;
  #hasBefore = false;

  /** Takes the next line. */
  add(line: string | Uint8Array): void {
    this.#beginPieceIfFull();
    // Of bytes a copy: they are valid until the next line is read.
    const bytes = typeof line === "string" ? encodeUtf8(line) : line;
    const end = this.#end + bytes.length + 1;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(bytes, this.#end);
    this.#bytes[end - 1] = NEWLINE;
    this.#end = end;
  }

  /** Whether the piece is over. */
  get isFull(): boolean {
    return this.#end - HASH_DIGITS >= PIECE_BYTES;
  }

  /** Begins the next piece, in a fifth of the time that the next line would take for it. */
  async nextPiece(): Promise<void> {
    this.#beginPiece(await sha256HexOf(this.#piece));
  }

  /** The hash of all lines so far, as 64 hexadecimal digits. */
  digest(): string {
    this.#beginPieceIfFull();
    return sha256Hex(this.#piece);
  }

  get #piece(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#hasBefore ? 0 : HASH_DIGITS, this.#end);
  }

  #beginPieceIfFull(): void {
    if (this.isFull) this.#beginPiece(sha256Hex(this.#piece));
  }

  #beginPiece(before: string): void {
    this.#bytes.set(encodeUtf8(before));
    this.#hasBefore = true;
    this.#end = HASH_DIGITS;
  }

  #grow(end: number): void {
    const bytes = new Uint8Array(2 * end);
    bytes.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = bytes;
  }
}
