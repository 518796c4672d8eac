/** The documents of a run that the modules have formats for, on any root. */
import { readCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { RunView } from "../../run/types.ts";
import { parseTrace } from "../../trace/read_trace.ts";
import { TraceFileError } from "../../trace/trace_file_error.ts";
import type { TraceEnvelope } from "../../trace/types.ts";
import { documentPlace, type RunPlace } from "./open_root.ts";

/**
 * The bundle of a run; undefined when it has none.
 *
 * @throws As {@linkcode readCaptureBundle} does, and if it cannot be read.
 */
export async function readBundleOf(view: RunView): Promise<CaptureBundle | undefined> {
  const bytes = await view.document("capture.json");
  return bytes && await readCaptureBundle(bytes);
}

/**
 * The trace of a run; undefined when it has none.
 *
 * @throws {TraceFileError} As `parseTrace` does; the message says where the trace is.
 */
export async function readTraceOf({ root, view }: RunPlace): Promise<TraceEnvelope | undefined> {
  const bytes = await view.document("trace.json");
  try {
    return bytes && parseTrace(bytes);
  } catch (cause) {
    if (!(cause instanceof TraceFileError)) throw cause;
    const place = documentPlace({ root, runId: view.runId }, "trace.json");
    throw new TraceFileError(cause.kind, `${cause.message} (in ${place})`, { details: {}, cause });
  }
}
