/** Writes a run in the Trace Event Format, piece by piece: no text holds that of a large run. */
import { encodeUtf8 } from "../../_internal/text.ts";
import type { RunPlace } from "../reading/open_root.ts";
import { Screen } from "../text/screen.ts";
import { cannotWrite } from "../written_file.ts";
import { ChromeRun } from "./chrome_events.ts";
import { readTimeline } from "./run_timeline.ts";

/** How many characters are written at a time. */
const PIECE = 64 * 1024;

/**
 * Writes a run to a file, or, for `-`, to standard output.
 *
 * @throws If it cannot be read or written; or if its log has nothing that could be drawn.
 */
export async function writeChromeRun(place: RunPlace, target: string): Promise<void> {
  const timeline = await readTimeline(place);
  const { history: { fold }, runId } = timeline;
  if (fold.startedTs === undefined) {
    const remedy = `taffrail follow ${runId} prints what it has`;
    throw new Error(
      `Cannot trace ${runId}: its log has no events of a run that could be drawn; ${remedy}`,
    );
  }
  writePieces(piecesOf(new ChromeRun(timeline)), target);
}

function* piecesOf(run: ChromeRun): Generator<string, void> {
  let piece = '{"traceEvents":[';
  let before = "\n";
  for (const event of run.events()) {
    piece += before + JSON.stringify(event);
    before = ",\n";
    if (piece.length < PIECE) continue;
    yield piece;
    piece = "";
  }
  yield `${piece}\n],"displayTimeUnit":"ms","otherData":${JSON.stringify(run.about)}}\n`;
}

/** Writes a text that comes in pieces to a file, or, for `-`, to standard output. */
export function writePieces(pieces: Iterable<string>, target: string): void {
  if (target === "-") {
    const screen = new Screen(Deno.stdout);
    using _batch = screen.batch();
    for (const piece of pieces) screen.text(piece);
    return;
  }
  try {
    using file = Deno.openSync(target, { write: true, create: true, truncate: true });
    for (const piece of pieces) {
      for (let rest = encodeUtf8(piece); rest.length > 0;) {
        rest = rest.subarray(file.writeSync(rest));
      }
    }
  } catch (cause) {
    throw cannotWrite(target, cause, "--chrome");
  }
  new Screen(Deno.stderr).line(`${target}: open it in ui.perfetto.dev or chrome://tracing`);
}
