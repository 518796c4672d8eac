/**
 * One run of a flow at a time, where that is asked for. A flow is known by its name in its root.
 *
 * - Who asks holds the lock of a file until its run is over: the system gives it up for a process that dies.
 * - A run for which nobody asked is not held up, but who asks waits for it too: that it is held tells. One that
 *   begins in the moment behind that look is not seen.
 * - A database has no such lock: there who asks holds its own run first, of which nothing has begun, and waits for
 *   all that are at work and have a smaller id. Ids are given out in the order in which runs can be seen, so of two
 *   that come at the same time the later one sees the other.
 */
import { TaffrailError } from "../../_internal/errors.ts";
import { denoFilePort, type FileHandle } from "../../_internal/file_port.ts";
import {
  closeLock,
  openerOf,
  openOwnerFileSync,
  parseOpener,
  readOwnerSync,
  writeOwnerSync,
} from "../../_internal/lock.ts";
import { flowLockPaths, isRunOf } from "../../_internal/root_layout.ts";
import type { RunsRoot } from "../../run/types.ts";
import { listPages } from "../reading/open_root.ts";
import { wait } from "./end_processes.ts";
import { processText } from "./processes.ts";

/** What is done where another run of the flow is at work. */
export type Exclusive = "wait" | "refuse";

const LOOK_EVERY_MS = 100;
/** The same in a database. */
const LOOK_FAR_EVERY_MS = 1000;

/** Another run of the flow is at work, and nobody is to wait for it. */
export class FlowBusyError extends TaffrailError<"busy", { flow: string }> {
  /** The name of the class. */
  override readonly name = "FlowBusyError";
}

/** How a flow is run alone. */
interface ExclusiveOptions {
  /** The root; a directory is there. */
  runs: RunsRoot;
  /** The name of the flow. */
  flow: string;
  /** Whether to wait for others. */
  exclusive: Exclusive;
  /** Told for whom it waits, whenever that is another one. */
  onWait: (text: string) => void;
  /** Ends the wait. */
  stop: AbortSignal;
}

/**
 * Makes sure that no other run of a flow in a directory is at work, until it is disposed of; undefined where the wait
 * was ended.
 *
 * @throws {FlowBusyError} If one is, and nobody is to wait for it.
 */
export async function holdFlow(options: ExclusiveOptions): Promise<Disposable | undefined> {
  const { runs, flow } = options;
  const { directory, lock } = flowLockPaths(runs.name, flow);
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  const file = openOwnerFileSync(denoFilePort, lock);
  const held = { [Symbol.dispose]: () => closeLock(file) };
  try {
    const isAlone = await pass(options, () => whoHolds(file)) &&
      await pass(options, async () => {
        return describe(await liveRunOf(runs, flow));
      });
    if (isAlone) return held;
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
  held[Symbol.dispose]();
  return undefined;
}

/**
 * The same in a database, for a run that is held and not begun yet: waits for those before it.
 *
 * @returns Whether it is alone now; false where the wait was ended.
 * @throws {FlowBusyError} If it is not, and nobody is to wait for that.
 */
export async function waitForEarlier(options: ExclusiveOptions, runId: string): Promise<boolean> {
  const isEarlier = (id: string) => id < runId;
  const everyMs = LOOK_FAR_EVERY_MS;
  return await pass(
    { ...options, everyMs },
    async () => describe(await liveRunOf(options.runs, options.flow, isEarlier)),
  );
}

function describe(runId: string | undefined): string | undefined {
  return runId && `run ${runId} is at work`;
}

/** Waits until nothing stands in the way any more; false where the wait was ended. */
async function pass(
  { flow, exclusive, onWait, stop, everyMs = LOOK_EVERY_MS }: ExclusiveOptions & {
    everyMs?: number;
  },
  look: () => string | undefined | Promise<string | undefined>,
): Promise<boolean> {
  let told: string | undefined;
  for (let obstacle = await look(); obstacle !== undefined; obstacle = await look()) {
    if (exclusive === "refuse") {
      const remedy = "--exclusive wait waits for it";
      const message = `Cannot run ${flow}, which is to run alone: ${obstacle}; ${remedy}`;
      throw new FlowBusyError("busy", message, { details: { flow }, remedy });
    }
    if (obstacle !== told) onWait(`waits, as ${flow} is to run alone: ${obstacle}`);
    told = obstacle;
    await wait(everyMs, stop);
    if (stop.aborted) return false;
  }
  return true;
}

/** Takes the lock; or says who has it. */
function whoHolds(file: FileHandle): string | undefined {
  if (file.tryLockSync(true)) {
    writeOwnerSync(file, JSON.stringify(openerOf(file)));
    return undefined;
  }
  const pid = parseOpener(readOwnerSync(file))?.pid;
  return `${processText({ pid })} runs it, or is about to`;
}

async function liveRunOf(
  runs: RunsRoot,
  flow: string,
  isMeant: (runId: string) => boolean = () => true,
): Promise<string | undefined> {
  for await (const page of listPages(runs, { prefix: `${flow}-`, fields: ["holder"] })) {
    for (const { runId, holder } of page) {
      if (isRunOf(flow, runId) && isMeant(runId) && holder !== undefined) return runId;
    }
  }
  return undefined;
}
