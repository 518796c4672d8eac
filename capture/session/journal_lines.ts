import {
  array,
  type Codec,
  encodeJson,
  membersOf,
  printedByEngine,
  u64,
  usize,
} from "../../_internal/wire_json/codec.ts";
import { unitEnum } from "../../_internal/wire_json/enums.ts";
import { JsonPlace } from "../../_internal/wire_json/errors.ts";
import type { JsonValue } from "../../_internal/wire_json/json_value.ts";
import { parseJson } from "../../_internal/wire_json/parse_json.ts";
import { closedStruct, openStruct } from "../../_internal/wire_json/struct.ts";
import { provenance, sessionFields } from "../bundle/bundle_text.ts";
import { capturedEffect } from "../bundle/effects.ts";
import { decisionRecordFields, inputRecord } from "../bundle/record_codecs.ts";
import type { CapturedActionEffect, DecisionRecord, InputRecord } from "../types.ts";
import type { SessionHeader } from "./capture_recorder.ts";

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
interface ResumedLine {
  /** Tells it from other lines. */
  type: "resumed";
  /** How many lines before it count. What may stand between them and this one is damaged. */
  lines: number;
}

/** One line of a journal, without its number. */
export type JournalLine = SessionLine | InputRecord | DecisionLine | EffectsLine | ResumedLine;

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

const resumedLine: Codec<ResumedLine> = closedStruct({
  type: unitEnum(["resumed"]),
  lines: usize,
});

const codecs = {
  session: sessionLine,
  event: inputRecord,
  completion: inputRecord,
  withdraw: inputRecord,
  decision: decisionLine,
  effects: effectsLine,
  resumed: resumedLine,
} as unknown as Record<JournalLine["type"], Codec<JournalLine>>;

const types = unitEnum(Object.keys(codecs) as JournalLine["type"][]);

/** The text of a line: its number first, so that a line that is missing can be noticed. */
export function encodeJournalLine(number: number, line: JournalLine): string {
  return `{"line":${number},${encodeJson(codecs[line.type], line).slice(1)}`;
}

/** A line and its number. */
interface NumberedLine {
  number: number;
  line: JournalLine;
}

/** Reads a line. Throws a `SyntaxError`, `TypeError` or `RangeError` that says what is wrong. */
export function decodeJournalLine(bytes: Uint8Array): NumberedLine {
  const place = new JsonPlace("read");
  const { line: number, ...tree } = membersOf<JsonValue>(parseJson(bytes), place);
  if (number === undefined) return place.refuse("missing field `line`");
  const { type } = tree;
  if (type === undefined) return place.refuse("missing field `type`");
  return {
    number: u64.read(number, place),
    line: codecs[types.read(type, place)].read(tree, place),
  };
}

/** The version that a line begins a session of, where that is one that is not known here. */
export function unknownVersionOf(bytes: Uint8Array): string | undefined {
  try {
    const { type, journal_version: version } = JSON.parse(new TextDecoder().decode(bytes));
    const isOther = type === "session" && typeof version === "string" &&
      version !== JOURNAL_VERSION;
    return isOther ? version : undefined;
  } catch {
    return undefined;
  }
}
