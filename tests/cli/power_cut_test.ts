/**
 * The power goes between any two file operations of a flow that is run, and of one that is gone on with:
 * see `tests/run/_power_cut.ts` for what must hold.
 */
import { assertGreater, assertGreaterOrEqual } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { CaptureJournalError } from "../../capture/errors.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { runFlow, type RunFlowOptions } from "../../cli/engine/run_flow.ts";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import { readRunLog } from "../../run/engine/run_log.ts";
import { RunFold } from "../../eventlog/derive_run_state.ts";
import { openRootOnPort } from "../../run/file_root/file_root.ts";
import type { EndRecord, HeldRun } from "../../run/types.ts";
import { RunError } from "../../run/run_error.ts";
import { isThere } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount } from "../_util/temp.ts";
import {
  cutPowerOfRuns,
  type PlannedNode,
  type PowerCutEngine,
  type World,
} from "../run/_power_cut.ts";
import { checkRecords } from "../run/_records_agree.ts";
import { ask } from "./_command.ts";

const SEEDS = longCount(4, 16);
const RUN_ID = "cut";

/** Two at once while one waits for its turn, a node that needs both, and two that fail once. */
const NODES: Record<string, PlannedNode> = {
  a: { needs: [], turns: 2 },
  b: { needs: [], turns: 3, fails: 1 },
  c: { needs: ["a", "b"] },
  e: { needs: [] },
  d: { needs: ["c"], fails: 1 },
};

function flowOf(world: World) {
  const nodes = Object.fromEntries(
    Object.entries(world.nodes).map(([id, { needs }]) => [id, { run: ["true"], needs }]),
  );
  const constraints = { max_in_flight: 2, max_retries: 1 };
  const text = JSON.stringify({ name: "cut", nodes, constraints });
  return parseFlow(text, `${world.root}/flow.json`);
}

/** What the command does with a flow, with the commands of a world in place of real ones. */
async function run(
  world: World,
  held: HeldRun,
  { fold, past }: Pick<RunFlowOptions, "fold" | "past">,
): Promise<void> {
  /** Which attempt a record of an end is about: the observer gets the very record that the place gave. */
  const attempts = new Map<EndRecord, number>();
  const { signal } = new AbortController();
  await runFlow({
    flow: flowOf(world),
    root: world.root,
    held,
    fold,
    past,
    traceMode: "off",
    stop: signal,
    stoppedBy: () => undefined,
    place: {
      endWithinMs: 1000,
      endLeft: () => Promise.resolve(),
      run: async (request) => {
        const end = await world.place.run(request);
        attempts.set(end.end, request.attempt);
        return end;
      },
    },
    observer: {
      runStarted: () => {},
      nodeStarted: () => {},
      note: () => {},
      nodeEnded: ({ id }, { termination, end }) => {
        const attempt = attempts.get(end);
        // Of an attempt that the power cut off.
        if (attempt === undefined) return;
        world.told(id, attempt, termination === "Completed" ? "Completed" : "Failed");
      },
    },
  });
}

const engine: PowerCutEngine = {
  async begin(port, world) {
    await using root = openRootOnPort(port, world.root);
    await using held = await root.create({ about: { name: "cut" }, runId: RUN_ID });
    await run(world, held, { fold: new RunFold(), past: undefined });
    // If the run told nothing, nothing that was told could be lost.
    assertGreaterOrEqual(world.toldCount, Object.keys(world.nodes).length);
  },

  async goOn(port, world) {
    const directory = `${world.root}/runs/${RUN_ID}`;
    const isNamed = isThere(`${directory}/run.json`) || !isThere(directory);
    if (await goOnFrom(port, world) && isNamed) return;
    // What is left to do is a matter of `repair`, which does not go through a port: a run that has
    // completed lacks its end in the log, or the power went before the run had its name.
    if (port === hastyFilePort) await ask(["repair", "--root", world.root, RUN_ID], world.root);
  },

  check: checkRecords,
};

/** Goes on with what is there; false where the journal says that it has completed. */
async function goOnFrom(port: FilePort, world: World): Promise<boolean> {
  await using root = openRootOnPort(port, world.root);
  let found: HeldRun;
  try {
    found = await root.hold(RUN_ID);
  } catch (error) {
    if (!(error instanceof RunError) || error.kind !== "missing") throw error;
    await engine.begin(port, world);
    return true;
  }
  await using held = found;
  const { fold } = readRunLog(world.root, RUN_ID);
  try {
    const { ended } = await recoverCapture(held.view.raw("capture"));
    if (ended?.state === "Completed") return false;
  } catch (error) {
    if (!(error instanceof CaptureJournalError) || error.kind !== "no-session") throw error;
    await run(world, held, { fold, past: undefined });
    return true;
  }
  const past = {
    endLeftovers: () => Promise.resolve(),
    rerun: new Set<string>(),
    wanted: undefined,
  };
  await run(world, held, { fold, past });
  return true;
}

Deno.test("a power cut between any two operations of a run loses nothing that was told, and runs nothing twice", async () => {
  const { cuts } = await cutPowerOfRuns(engine, NODES, { seeds: SEEDS });
  assertGreater(cuts, 50);
});
