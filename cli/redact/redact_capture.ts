/** What stays of a journal and its bundle: all by which is decided, so that both replay as they did. */
import { defined, isObject } from "../../_internal/errors.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import {
  computePayloadHash,
  hasValidHash,
  NO_ADAPTER_PROVENANCE,
} from "../../capture/bundle/records.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type {
  BundleNote,
  BundleProvenance,
  DecisionRecord,
  EventInputRecord,
  InputRecord,
  NoteRecord,
  ResumedRecord,
  TaffrailCaptureBundle,
} from "../../capture/types.ts";
import { gateOfRefusal } from "../../run/engine/wait_history.ts";
import type { JsonObject } from "../../supervisor/types.ts";
import { isCommandRecord } from "../flow/node_event.ts";
import {
  keepFlag,
  keepIfOfNothing,
  type KeepMembers,
  keepMembers,
  keepNumber,
  keepSkipped,
  keepText,
  keepWord,
  MASK,
  mask,
  maskText,
  reasonKept,
} from "./masks.ts";

const ERROR: KeepMembers = {
  name: keepWord,
  message: maskText,
  code: keepWord,
  kind: keepWord,
  causes: (causes) => {
    if (!Array.isArray(causes)) return undefined;
    return causes.map((cause) => keepMembers(cause, { name: keepWord, message: maskText }));
  },
};

const END: KeepMembers = {
  begun: keepFlag,
  exit_code: keepNumber,
  signal: keepWord,
  duration_ms: keepNumber,
  output_hash: keepIfOfNothing,
  error_hash: keepIfOfNothing,
  terminal: keepFlag,
  result: mask,
  worker: maskText,
  error: (error) => keepMembers(error, ERROR),
};

/** What a hash is that was not right. */
const WRONG_HASH = "0".repeat(64);

/**
 * What was run, in place of its digest, by which a short command could be guessed. Versions of programs are no
 * digests, and stay.
 */
export class Provenances {
  readonly #others = new Map<string, string>();

  /** `own`: the digest of the flow as it is kept, and of what stays of it. */
  constructor(own: { was: string; is: string } | undefined) {
    if (own !== undefined) this.#others.set(own.was, own.is);
  }

  /** What stands for one: the same for the same. */
  of(provenance: string): string {
    const known = this.#others.get(provenance);
    if (known !== undefined) return known;
    if (!provenance.startsWith("rpv1:")) return provenance;
    const other = `rpv1:redacted-${this.#others.size + 1}`;
    this.#others.set(provenance, other);
    return other;
  }
}

/** What stays of a line of a journal. */
export function redactCaptureLine(line: CaptureLine, provenances: Provenances): CaptureLine {
  switch (line.type) {
    case "session": {
      const { type, journal_version, graph_id, mode, config, max_deferred, backoff } = line;
      const rules = { graph_id, mode, config, max_deferred, backoff, redacted: true };
      return { type, journal_version, ...rules, ...provenanceOf(line, provenances) };
    }
    case "decision":
      return { type: line.type, ...redactDecision(line) };
    case "effects":
      return { ...line, effects: [] };
    case "resumed": {
      const { lines, hash } = line;
      return { ...redactResumed(line, provenances), lines, hash };
    }
    case "event":
    case "completion":
    case "withdraw":
      return redactInput(line);
    default:
      return redactNote(line);
  }
}

/** What stays of a bundle. */
export function redactBundle(
  bundle: TaffrailCaptureBundle,
  provenances: Provenances,
): TaffrailCaptureBundle {
  const { capture_version, graph_id, mode, config, max_deferred, backoff, notes } = bundle;
  return {
    ...{ capture_version, graph_id, mode, config, max_deferred, backoff, redacted: true },
    inputs: bundle.inputs.map(redactInput),
    decisions: bundle.decisions.map(redactDecision),
    ...defined({ notes: notes?.map((note) => redactBundleNote(note, provenances)) }),
    ...provenanceOf(bundle, provenances),
  };
}

function provenanceOf(
  { adapter_provenance: adapter, runtime_provenance, egress_provenance: egress }: BundleProvenance,
  provenances: Provenances,
): BundleProvenance {
  return {
    adapter_provenance: adapter === NO_ADAPTER_PROVENANCE ? adapter : MASK,
    runtime_provenance: provenances.of(runtime_provenance),
    ...(egress !== undefined && { egress_provenance: MASK }),
  };
}

function redactInput(input: InputRecord): InputRecord {
  switch (input.type) {
    case "event":
      return redactEvent(input);
    case "completion": {
      const { type, episode_id, attempt, termination, at, end } = input;
      return { type, episode_id, attempt, termination, at, ...(end && { end: redactEnd(end) }) };
    }
    case "withdraw":
      return input;
  }
}

function redactEvent(event: EventInputRecord): EventInputRecord {
  const { type, event_id, event_time, kind, first_attempt, retry } = event;
  const payload = redactPayload(event.payload);
  const hash = hasValidHash(event) ? computePayloadHash(encodeUtf8(payload)) : WRONG_HASH;
  const more = defined({ first_attempt, retry });
  return { type, event_id, event_time, kind, payload, payload_hash: hash, ...more };
}

const COMMAND: KeepMembers = {
  node: keepText,
  run: () => [MASK],
  cwd: maskText,
  env: () => [],
  timeout_ms: keepNumber,
  task: keepText,
};

/** By no payload anything is decided. */
function redactPayload(payload: string): string {
  if (payload === "") return payload;
  let content: unknown;
  try {
    content = JSON.parse(payload);
  } catch {
    return "{}";
  }
  // As of one in which secret values stood, nobody can tell any more what it was.
  if (isCommandRecord(content)) {
    return JSON.stringify({ ...keepMembers(content, COMMAND), masked: true });
  }
  return JSON.stringify(keepMembers(content, { input: mask }));
}

/** What stays of what is recorded of the end of an attempt. */
function redactEnd(end: JsonObject): JsonObject {
  const kept = keepMembers(end, END);
  if ("result_hash" in end) kept.result = MASK;
  return kept as JsonObject;
}

function redactDecision(decision: DecisionRecord): DecisionRecord {
  const { event_id, decision: decided, schedule_at, episode_id, deadline } = decision;
  const { termination, retry_count, attempt_termination, reason, numbers } = decision;
  const { origin_event_id, interruption } = decision;
  return {
    ...{ event_id, decision: decided, schedule_at, episode_id, deadline, termination },
    ...{ retry_count, effects: [] },
    ...(interruption !== undefined && { interruption: MASK }),
    ...{ attempt_termination, reason, numbers, origin_event_id },
  };
}

function redactBundleNote(note: BundleNote, provenances: Provenances): BundleNote {
  const { after } = note;
  const { type, ...rest } = note.type === "resumed"
    ? redactResumed(note, provenances)
    : redactNote(note);
  return { type, after, ...rest } as BundleNote;
}

function redactNote(note: NoteRecord): NoteRecord {
  switch (note.type) {
    case "wait": {
      const { type, id, kind, at, until } = note;
      return { type, id, kind, at, ...defined({ until }) };
    }
    case "waited": {
      const { type, id, how, at, inbox_line, value, by, method } = note;
      const said = { value: mask(value), by: mask(by) as string | undefined };
      return { type, id, how, at, ...defined({ inbox_line, ...said, method }) };
    }
    case "record": {
      const { type, id, at, data } = note;
      const isRefusal = gateOfRefusal(id) !== undefined && isObject(data);
      return { type, id, at, data: isRefusal ? { problem: MASK } : MASK };
    }
    case "ended": {
      const { type, at, state, reason, failed, skipped, output } = note;
      const why = reason === undefined ? undefined : reasonKept(reason, failed);
      const left = { skipped: keepSkipped(skipped) as typeof skipped, output: mask(output) };
      return { type, at, state, ...defined({ reason: why, failed, ...left }) };
    }
  }
}

function redactResumed(
  { type, runtime_provenance, changed, pid }: ResumedRecord,
  provenances: Provenances,
): ResumedRecord {
  return { type, runtime_provenance: provenances.of(runtime_provenance), changed, pid };
}
