/**
 * What makes a flow or a program stop where `taffrail drill` wants to cut it off. It is loaded only where the
 * variable is set by which a drill says that there is one, and a process takes that variable only once: neither
 * what it starts nor a second run of it is stopped.
 *
 * A program may have nothing but leave to read and write its root, so both sides talk by one file there. The
 * process says in it which run this is. At the point that it was told it says that too, and stands still until
 * the drill, which watches, has taken the file away; most often it is killed before.
 */
import { isObject } from "../_internal/errors.ts";
import { denoFilePort, lookAtSync, withFileSync, writeWholeSync } from "../_internal/file_port.ts";
import { DRILL_VARIABLE, drillPath } from "../_internal/root_layout.ts";
import { encodeUtf8 } from "../_internal/text.ts";
import type { AttemptPoint } from "./engine/types.ts";
import type { NodeAttempt } from "./types.ts";

/** Where a process is to stand still. */
export interface DrillPoint extends NodeAttempt {
  /** How far the attempt has come there. */
  point: AttemptPoint;
}

/** A line of the file by which a process and its drill talk. */
export type DrillLine = { run_id: string } | { at: AttemptPoint };

/** What a drill changes about a run. */
export interface Drill {
  /** Stands still where that is asked for. */
  atPoint(attempt: NodeAttempt, point: AttemptPoint): void;
  /** Whatever a run sleeps for, its time has come. */
  readonly sleepsAreDue: true;
}

const PAUSE_MS = 5;
/** A drill that has not answered by then is gone, and nobody would ever end this process. */
const PATIENCE_MS = 5 * 60_000;
const GIVEN_UP = 70;

/** The variable that says to stop there; without a point it says only that there is a drill. */
export function drillVariable(point?: DrillPoint): Record<string, string> {
  return { [DRILL_VARIABLE]: JSON.stringify(point ?? {}) };
}

/**
 * Takes what the drill of this process says, and tells it which run this is. The variable has to be there, and
 * may be read.
 *
 * @throws {TypeError} If the variable was set by something that is no drill.
 */
export function takeDrill({ root, runId }: { root: string; runId: string }): Drill {
  const wanted = parsePoint(Deno.env.get(DRILL_VARIABLE) ?? "");
  Deno.env.delete(DRILL_VARIABLE);
  const path = drillPath(root);
  tell(path, { run_id: runId });
  return {
    sleepsAreDue: true,
    atPoint: ({ nodeId, attempt }, point) => {
      const isThere = wanted?.nodeId === nodeId && wanted.attempt === attempt;
      if (!isThere || wanted.point !== point) return;
      tell(path, { at: point });
      standStill(path);
    },
  };
}

function parsePoint(text: string): DrillPoint | undefined {
  let point: unknown;
  try {
    point = JSON.parse(text);
  } catch {
    // It is none, as is said below.
  }
  if (!isObject(point)) {
    throw new TypeError(`Cannot use ${DRILL_VARIABLE}: only taffrail drill may set it; unset it`);
  }
  // Who else sets it has only what it asks for.
  return "nodeId" in point ? point as unknown as DrillPoint : undefined;
}

function tell(path: string, line: DrillLine): void {
  const options = { path, read: true, append: true, create: true, mode: 0o600 };
  withFileSync(denoFilePort, options, (file) => {
    writeWholeSync(file, encodeUtf8(`${JSON.stringify(line)}\n`));
  });
}

/** Nothing of this process goes on meanwhile, as if it had been cut off already. */
function standStill(path: string): void {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; lookAtSync(denoFilePort, path) !== undefined; waitedMs += PAUSE_MS) {
    if (waitedMs > PATIENCE_MS) Deno.exit(GIVEN_UP);
    Atomics.wait(cell, 0, 0, PAUSE_MS);
  }
}
