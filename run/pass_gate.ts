import { defined, isObject } from "../_internal/errors.ts";
import { isRedactedIn } from "../_internal/run_folder.ts";
import { decodeUtf8 } from "../_internal/text.ts";
import type { GateMethod } from "../eventlog/run_event.ts";
import { openFileRoot } from "./file_root/file_root.ts";
import { MOST_INPUT_BYTES, textForLine } from "./program_json.ts";
import { runError } from "./run_error.ts";
import type { RunsRoot, RunView } from "./types.ts";

/** Options of {@linkcode passGate}. */
export interface PassGateOptions {
  /** What whoever waits at the gate gets: JSON of at most 2 MiB. */
  value?: unknown;
  /**
   * Refuses to let it pass: the gate then counts as failed.
   *
   * @default {false}
   */
  reject?: boolean;
  /** Who says so, for the records. */
  by?: string;
  /**
   * By which way it is said, for the records.
   *
   * @default {"hook"}
   */
  method?: GateMethod;
  /** Tells the message from all others, for who sends it again without knowing whether it arrived. */
  op?: string;
}

/**
 * Lets a run pass a gate, or refuses to. That is recorded for whoever works on the run, now or later: it
 * may be said before the run comes to the gate, and while nobody works on it. Of several messages for a
 * gate the first one counts.
 *
 * **Durability**: the message is on disk when this resolves.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param root The directory of the runs, or a root that is open.
 * @param runId The run.
 * @param gate The gate.
 * @param options What to say.
 * @throws {RunError} Kind `missing` when there is no such run, or its flow has no such gate; `stopped` when
 * the run has completed; `damaged` when it was redacted, so that nobody can go on with it; `not-json` and `too-large` for the value; `io` and `sync` when it cannot be
 * recorded.
 *
 * @example Usage
 * ```ts
 * import { openFileRoot, passGate } from "@taffrail/taffrail/run";
 * import { assertEquals } from "@std/assert";
 *
 * await using root = openFileRoot(await Deno.makeTempDir());
 * const held = await root.create({ about: { name: "deploy" } });
 * const { view } = held;
 * await held[Symbol.asyncDispose]();
 *
 * await passGate(root, view.runId, "approved", { value: { to: "production" }, by: "ada" });
 *
 * const { events } = await view.lines("inbox");
 * const { gate, value, by } = events[0]!.event as Record<string, unknown>;
 * assertEquals({ gate, value, by }, { gate: "approved", value: { to: "production" }, by: "ada" });
 * ```
 */
export async function passGate(
  root: string | RunsRoot,
  runId: string,
  gate: string,
  options: PassGateOptions = {},
): Promise<void> {
  if (typeof root !== "string") return await post(root, { runId, gate }, options);
  await using runs = openFileRoot(root);
  await post(runs, { runId, gate }, options);
}

async function post(
  runs: RunsRoot,
  { runId, gate }: { runId: string; gate: string },
  options: PassGateOptions,
): Promise<void> {
  const { value, reject = false, by, method = "hook", op = crypto.randomUUID() } = options;
  const view = runs.view(runId);
  const details = { runId, nodeId: gate };
  const what = `the value for the gate ${gate}`;
  textForLine(value, { what, details, mostBytes: MOST_INPUT_BYTES });
  const refuse = (kind: "missing" | "stopped" | "damaged", problem: string, remedy: string) => {
    throw runError(kind, `Cannot pass the gate ${gate} of ${runId}: ${problem}`, {
      details,
      remedy,
    });
  };
  const { events } = await view.peek();
  const last = events.findLast(({ type }) => type.startsWith("pipe."));
  if (last?.type === "pipe.completed") {
    refuse("stopped", "the run has completed", "there is nothing to wait for any more");
  }
  // What is wrong with it otherwise is a matter of whoever goes on.
  if (isRedactedIn(await view.document("run.json").catch(() => undefined))) {
    refuse("damaged", "the run was redacted when it was exported", "nobody can go on with it");
  }
  const gates = await gatesOf(view);
  if (gates !== undefined && !gates.includes(gate)) {
    const known = gates.length === 0 ? "it has none" : `its gates are ${gates.join(", ")}`;
    refuse("missing", "its flow has no such gate", known);
  }
  const says = reject ? { denied: true } as const : defined({ value });
  await runs.post(runId, { op, gate, method, ...says, ...defined({ by }) });
}

/** The gates of a flow; undefined for a program, which says of none beforehand where it waits. */
async function gatesOf(view: RunView): Promise<string[] | undefined> {
  const bytes = await view.document("flow.json");
  if (bytes === undefined) return undefined;
  let flow: unknown;
  try {
    flow = JSON.parse(decodeUtf8(bytes));
  } catch {
    // Whoever goes on with the run finds that; the message is not lost by it.
    return undefined;
  }
  if (!isObject(flow) || !Array.isArray(flow.nodes)) return undefined;
  return flow.nodes.filter((node) => isObject(node) && typeof node.gate === "string")
    .map(({ id }) => String(id));
}
