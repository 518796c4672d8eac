/**
 * The ends of what attempts printed. There is room for so much in a page: what failed comes first, then what took
 * longest, since that is what people open.
 */
import { encodeUtf8 } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import { nodeIdProblem } from "../flow/flow.ts";
import { DIGEST_OF_NOTHING, readOutputTail, shortLine } from "../process/output_file.ts";
import type { NodeReport } from "../reading/run_report.ts";
import type { RunView } from "../../run/types.ts";
import { isBad } from "./ci_words.ts";
import type { PageAttempt, PageData, PageNode, PageOutput } from "./page_data.ts";
import { jsonBlock } from "./page_text.ts";

/** All ends together take so many bytes of the page, and what the last of them is longer. */
const MOST_BYTES = 2_000_000;
/** As many attempts are looked at: in a database each output costs a round trip. */
const MOST_ATTEMPTS = 1500;
const AT_A_TIME = 32;
const LINES = { failed: 60, completed: 20 };
const MOST_OF_OUTPUT = 6000;

const STREAM_NAMES = { out: "stdout", err: "stderr" } as const;

/** An attempt whose output is wanted. */
interface Wanted {
  nodeId: string;
  attempt: PageAttempt;
  /** What it has printed to, and how many bytes of that are missing in the middle. */
  streams: ["out" | "err", number | undefined][];
  /** What was read of it before, if nothing can have come to that. */
  known: PageOutput[] | undefined;
}

/** Reads the ends of outputs into the attempts; returns how many attempts there was no room for. */
export async function readOutputEnds(
  view: RunView,
  { reports, nodes, fold, failedOnly = false, before }: {
    reports: readonly NodeReport[];
    nodes: readonly PageNode[];
    /** What the log tells: of what printed nothing nothing is read. */
    fold: RunFold;
    /** Whether what failed, or was cancelled, is all whose outputs are wanted. */
    failedOnly?: boolean;
    /** The page as it was read before: what had ended then has printed all that it will. */
    before?: PageData | undefined;
  },
): Promise<number> {
  const wanted = reports.flatMap((report, place) => {
    return wantedOf(report, { node: nodes[place]!, fold, before: before?.nodes[place] });
  })
    .filter(({ attempt }) => !failedOnly || isBad(attempt))
    .toSorted((a, b) => urgencyOf(b.attempt) - urgencyOf(a.attempt));
  let room = MOST_BYTES;
  let read = 0;
  while (room > 0 && read < Math.min(wanted.length, MOST_ATTEMPTS)) {
    const batch = wanted.slice(read, read + AT_A_TIME);
    const outputs = await Promise.all(batch.map((one) => one.known ?? outputsOf(view, one)));
    for (const [at, { attempt }] of batch.entries()) {
      if (room <= 0) break;
      read++;
      attempt.outputs = outputs[at]!;
      for (const { text } of attempt.outputs) room -= encodeUtf8(jsonBlock(text)).length;
    }
  }
  return wanted.length - read;
}

/** The attempts at a node that have printed something, as far as is known. */
function wantedOf(
  report: NodeReport,
  { node, fold, before }: { node: PageNode; fold: RunFold; before: PageNode | undefined },
): Wanted[] {
  if (nodeIdProblem(report.id) !== undefined) return [];
  const infos = new Map(fold.attemptsOf(report.id).map((info) => [info.attempt, info]));
  return node.attempts.flatMap((attempt): Wanted[] => {
    const info = infos.get(attempt.number);
    if (info === undefined || info.terminal || attempt.isGate) return [];
    if (!Number.isSafeInteger(attempt.number)) return [];
    const streams: Wanted["streams"] = [];
    // What is read first is what was printed as errors.
    if (info.error_hash !== DIGEST_OF_NOTHING) streams.push(["err", info.error_cut]);
    if (info.output_hash !== DIGEST_OF_NOTHING) streams.push(["out", info.output_cut]);
    if (streams.length === 0) return [];
    return [{ nodeId: report.id, attempt, streams, known: knownOutputs(attempt, before) }];
  });
}

/** What was read of an attempt that had ended by then; undefined where that was nothing. */
function knownOutputs(
  { number, state, endMs, isCutOff }: PageAttempt,
  before: PageNode | undefined,
): PageOutput[] | undefined {
  if (endMs === undefined || isCutOff) return undefined;
  const same = before?.attempts.find((attempt) => attempt.number === number);
  const isKnown = same?.state === state && same.endMs === endMs && same.outputs.length > 0;
  return isKnown ? same.outputs : undefined;
}

/** What people look for first: failures, then what runs, then what took longest. */
function urgencyOf({ state, startMs = 0, endMs }: PageAttempt): number {
  const length = endMs === undefined ? 0 : Math.min(endMs - startMs, 1e9);
  return (state === "failed" ? 2e9 : state === "running" ? 1e9 : 0) + length;
}

async function outputsOf(
  view: RunView,
  { nodeId, attempt, streams }: Wanted,
): Promise<PageOutput[]> {
  const lines = attempt.state === "completed" ? LINES.completed : LINES.failed;
  const outputs = await Promise.all(streams.map(async ([stream, missing]) => {
    const of = { nodeId, attempt: attempt.number, stream };
    const tail = await readOutputTail(view, of, lines + 1);
    if (tail.length === 0) return [];
    const text = boundedEnd(tail.slice(-lines).map(shortLine).join("\n"));
    const notes = [
      ...(missing === undefined ? [] : [`the middle was not kept: ${missing} bytes`]),
      ...(tail.length > lines || text.length === MOST_OF_OUTPUT ? ["its end only"] : []),
    ];
    const note = notes.length === 0 ? {} : { note: notes.join("; ") };
    return [{ stream: STREAM_NAMES[stream], text, ...note }];
  }));
  return outputs.flat();
}

function boundedEnd(text: string): string {
  return text.slice(-MOST_OF_OUTPUT).toWellFormed();
}
