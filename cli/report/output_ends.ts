/**
 * The ends of what attempts printed. There is room for so much in a page: what failed comes first, then what took
 * longest, since that is what people open.
 */
import { encodeUtf8 } from "../../_internal/text.ts";
import { nodeIdProblem } from "../flow/flow.ts";
import { readOutputTail } from "../process/output_file.ts";
import type { NodeReport } from "../reading/run_report.ts";
import type { RunView } from "../../run/types.ts";
import type { PageAttempt, PageNode, PageOutput } from "./page_data.ts";
import { jsonBlock } from "./page_text.ts";

/** All ends together take so many bytes of the page, and what the last of them is longer. */
const MOST_BYTES = 2_000_000;
/** As many attempts are looked at: in a database each costs two round trips. */
const MOST_ATTEMPTS = 1500;
const LINES = { failed: 60, completed: 20 };
const MOST_OF_LINE = 500;
const MOST_OF_OUTPUT = 6000;

/** An attempt whose output is wanted. */
interface Wanted {
  nodeId: string;
  attempt: PageAttempt;
  cut: { out?: number; err?: number } | undefined;
}

/** Reads the ends of outputs into the attempts; returns how many attempts there was no room for. */
export async function readOutputEnds(
  view: RunView,
  { reports, nodes, hasPrinted }: {
    reports: readonly NodeReport[];
    nodes: readonly PageNode[];
    /** Whether an attempt is known to have printed nothing. */
    hasPrinted: (nodeId: string, attempt: number) => boolean;
  },
): Promise<number> {
  const wanted = reports.flatMap((report, place) => {
    if (nodeIdProblem(report.id) !== undefined) return [];
    return nodes[place]!.attempts.flatMap((attempt, index): Wanted[] => {
      const { terminal, cut } = report.attempts?.[index] ?? {};
      const isNone = terminal || !Number.isSafeInteger(attempt.number) || attempt.isGate;
      if (isNone || !hasPrinted(report.id, attempt.number)) return [];
      return [{ nodeId: report.id, attempt, cut }];
    });
  }).toSorted((a, b) => urgencyOf(b.attempt) - urgencyOf(a.attempt));
  let room = MOST_BYTES;
  let [read, left] = [0, 0];
  for (const { nodeId, attempt, cut } of wanted) {
    if (room <= 0 || read === MOST_ATTEMPTS) {
      left++;
      continue;
    }
    read++;
    attempt.outputs = await outputsOf(view, { nodeId, attempt, cut });
    for (const { text } of attempt.outputs) room -= encodeUtf8(jsonBlock(text)).length;
  }
  return left;
}

/** What people look for first: failures, then what runs, then what took longest. */
function urgencyOf({ state, startMs = 0, endMs }: PageAttempt): number {
  const length = endMs === undefined ? 0 : Math.min(endMs - startMs, 1e9);
  return (state === "failed" ? 2e9 : state === "running" ? 1e9 : 0) + length;
}

async function outputsOf(view: RunView, { nodeId, attempt, cut }: Wanted): Promise<PageOutput[]> {
  const outputs: PageOutput[] = [];
  const lines = attempt.state === "completed" ? LINES.completed : LINES.failed;
  // What is read first is what was printed as errors.
  for (const [stream, name] of [["err", "stderr"], ["out", "stdout"]] as const) {
    const of = { nodeId, attempt: attempt.number, stream };
    const tail = await readOutputTail(view, of, lines + 1);
    if (tail.length === 0) continue;
    const text = boundedEnd(tail.slice(-lines).map(boundedLine).join("\n"));
    const missing = cut?.[stream];
    const notes = [
      ...(missing === undefined ? [] : [`the middle was not kept: ${missing} bytes`]),
      ...(tail.length > lines || text.length === MOST_OF_OUTPUT ? ["its end only"] : []),
    ];
    outputs.push({ stream: name, text, ...(notes.length > 0 && { note: notes.join("; ") }) });
  }
  return outputs;
}

function boundedLine(line: string): string {
  return line.length > MOST_OF_LINE ? `${line.slice(0, MOST_OF_LINE).toWellFormed()} …` : line;
}

function boundedEnd(text: string): string {
  return text.slice(-MOST_OF_OUTPUT).toWellFormed();
}
