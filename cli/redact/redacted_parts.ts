/**
 * The parts of a run without what may be private: what {@linkcode redact_lines.ts}, `redact_capture.ts` and
 * `redact_documents.ts` leave of each. Outputs, results and the trace are left out as a whole. What is left agrees with
 * itself as the run did: it is verified and replayed as that is, damaged where that is, and cannot be gone on with.
 */
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { readCaptureBundle, stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { rewriteCaptureLines } from "../../capture/session/rewrite_capture_lines.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { isKnownRunEvent } from "../../eventlog/run_event.ts";
import type { RunStream, RunView } from "../../run/types.ts";
import {
  blocksOfLines,
  linesOf,
  once,
  type PartsOptions,
  type RunPart,
  STREAMS,
} from "../engine/run_parts.ts";
import { type FlowRecord, FlowRecordError, parseFlowRecord } from "../flow/flow_record.ts";
import { isNewer, newerText } from "../reading/open_capture.ts";
import { Provenances, redactBundle, redactCaptureLine } from "./redact_capture.ts";
import { documentBytes, redactFlow, redactRunFile } from "./redact_documents.ts";
import { LINES, redactLine, UNREADABLE } from "./redact_lines.ts";

/** What stands for a document that is none. */
const UNREADABLE_DOCUMENT = encodeUtf8(
  "[taffrail: a document that cannot be read is left out]\n",
);

/**
 * Refuses a run of which nobody can tell what is private in it.
 *
 * @throws {Error} If it is one.
 */
export async function refuseUnknown(view: RunView): Promise<void> {
  const about = await view.document("run.json");
  if (about === undefined) {
    throw refusal(view, "it has no run.json, so that nobody can tell what wrote it");
  }
  try {
    redactRunFile(about);
  } catch (cause) {
    throw refusal(view, `its run.json cannot be read: ${reasonOf(cause)}`, cause);
  }
  const { events } = await view.peek();
  if (events.length === 0 || events.some(isKnownRunEvent)) return;
  throw refusal(view, "its log is one of a program's own, and only that knows what is private");
}

/** Gives the parts of a run of which {@linkcode refuseUnknown} has refused nothing. */
export async function* redactedPartsOf(
  view: RunView,
  options: PartsOptions,
): AsyncGenerator<RunPart, void> {
  const flow = await readFlow(view);
  const provenances = new Provenances(flow?.provenance);
  for (const stream of STREAMS) {
    const bytes = stream === "capture"
      ? journalOf(view, provenances, options)
      : streamOf(view, stream, options);
    yield { place: { kind: "stream", stream }, bytes };
  }
  const documents = [
    ["run.json", redactRunFile((await view.document("run.json"))!)],
    ["flow.json", flow?.bytes],
    ["capture.json", await bundleOf(view, provenances)],
  ] as const;
  for (const [name, bytes] of documents) {
    if (bytes !== undefined) yield { place: { kind: "document", name }, bytes: once(bytes) };
  }
}

async function* journalOf(
  view: RunView,
  provenances: Provenances,
  options: PartsOptions,
): AsyncGenerator<Uint8Array, void> {
  const lines = rewriteCaptureLines(linesOf(view, "capture", options), (line) => {
    return redactCaptureLine(line, provenances);
  });
  try {
    yield* blocksOfLines(encoded(lines));
  } catch (error) {
    if (!(error instanceof CaptureJournalError)) throw error;
    throw refusal(view, reasonOf(error), error);
  }
  if (await view.tail("capture") !== undefined) yield UNREADABLE;
}

async function* encoded(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array, void> {
  for await (const line of lines) yield encodeUtf8(line);
}

async function* streamOf(
  view: RunView,
  stream: Exclude<RunStream, "capture"> | "events",
  options: PartsOptions,
): AsyncGenerator<Uint8Array, void> {
  const redact = LINES[stream];
  async function* lines(): AsyncGenerator<Uint8Array, void> {
    for await (const line of linesOf(view, stream, options)) yield redactLine(line, redact);
  }
  yield* blocksOfLines(lines());
  const tail = await view.tail(stream);
  if (tail !== undefined) yield tail instanceof Uint8Array ? redactLine(tail, redact) : UNREADABLE;
}

/** What stays of the flow, and what its digest becomes; undefined where a run has none. */
async function readFlow(
  view: RunView,
): Promise<{ bytes: Uint8Array; provenance?: { was: string; is: string } } | undefined> {
  const bytes = await view.document("flow.json");
  if (bytes === undefined) return undefined;
  let record: FlowRecord;
  try {
    record = parseFlowRecord(bytes, "flow.json");
  } catch (error) {
    if (!(error instanceof FlowRecordError)) throw error;
    if (error.kind === "newer") throw refusal(view, reasonOf(error), error);
    return { bytes: UNREADABLE_DOCUMENT };
  }
  const redacted = await redactFlow(record);
  const provenance = { was: record.provenance, is: redacted.provenance };
  return { bytes: documentBytes(redacted), provenance };
}

async function bundleOf(
  view: RunView,
  provenances: Provenances,
): Promise<Uint8Array | undefined> {
  const bytes = await view.document("capture.json");
  if (bytes === undefined) return undefined;
  let bundle: CaptureBundle;
  try {
    bundle = await readCaptureBundle(bytes);
  } catch (error) {
    if (isNewer(error)) throw refusal(view, newerText(error), error);
    return UNREADABLE_DOCUMENT;
  }
  if ("inputs" in bundle) {
    return encodeUtf8(stringifyCaptureBundle(redactBundle(bundle, provenances)));
  }
  throw refusal(view, "its capture.json is of a format in which nothing can be left out");
}

function refusal({ runId }: RunView, problem: string, cause?: unknown): Error {
  const remedy = "export it without, to somebody who may see all of it";
  return new Error(`Cannot export ${runId} with --redact: ${problem}; ${remedy}`, { cause });
}
