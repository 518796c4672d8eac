/**
 * Power cuts in a run: the power goes after any file operation, the run is gone on with from what the
 * disk may hold, and so on until it ends. What happened outside, the commands that began and what was
 * told, is kept by a {@linkcode World}, which no power cut makes forget. It must hold that
 *
 * - nothing whose end was told, by the run or in its log, runs again;
 * - no node runs twice at the same time, and no number of an attempt is used twice;
 * - no node begins before those that it needs have ended well;
 * - at the end the log has every attempt that there was, with the end that it had.
 *
 * An engine is connected by two functions, see {@linkcode PowerCutEngine}.
 */
import type { FilePort } from "../../_internal/file_port.ts";
import type { AttemptEnd, AttemptPlace, AttemptRequest } from "../../run/types.ts";
import { EXTREME_SEEDS } from "../_util/crash_image.ts";
import { everyCut, type EveryCutOptions, type EveryCutSummary } from "../_util/every_cut.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { comesFrom } from "../_util/fault_run.ts";
import { CHANGING_CALLS, PowerCut } from "../_util/fault_script.ts";
import { textOf } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";

/** What runs work over a port. */
export interface PowerCutEngine {
  /** Begins the run of `world.nodes` in the empty `world.root`, and takes it to its end. */
  begin(port: FilePort, world: World): Promise<void>;
  /** Takes the run to its end from what is in `world.root`; begins it where nothing of it is there. */
  goOn(port: FilePort, world: World): Promise<void>;
  /** Whether journal, log, store and replay agree in a root whose run has ended; throws if not. */
  check?(root: string): Promise<void>;
}

/** A node of the run. */
export interface PlannedNode {
  /** The nodes that must have ended well before. */
  needs: string[];
  /** How many of its attempts fail before one ends well. */
  fails?: number;
  /** How many turns of the event loop it takes. */
  turns?: number;
}

/** How far into its second life a run may be cut again. */
const SECOND_CUT_WITHIN = 60;

/** Cuts the power after every call that changes something; see the top of the file for what must hold. */
export async function cutPowerOfRuns(
  engine: PowerCutEngine,
  nodes: Readonly<Record<string, PlannedNode>>,
  options: Pick<EveryCutOptions, "seeds" | "onlyCut"> = {},
): Promise<EveryCutSummary> {
  return await everyCut<World>(
    async (port, root, acknowledged) => {
      const world = new World(nodes, root, () => !port.isCutNoticed);
      acknowledged.push(world);
      await engine.begin(port, world);
      if (!port.isCut) world.checkEnd();
    },
    async (image, { n, seed, acknowledged: [cut] }) => {
      if (cut === undefined) throw new Error("The power was cut before the run was begun");
      let world = cut.afterCut(image);
      // The extremes are to be looked at as they are; the others may be cut a second time.
      const random = new Random(mixSeeds(seed, n));
      if (seed >= EXTREME_SEEDS && random.chance(0.5)) {
        world = await cutAgain(engine, world, random);
      }
      await engine.goOn(hastyFilePort, world);
      world.checkEnd();
      await engine.check?.(world.root);
    },
    { base: hastyFilePort, only: CHANGING_CALLS, ...options },
  );
}

/** Goes on until the power is cut again, and gives the world as it is behind that. */
async function cutAgain(engine: PowerCutEngine, world: World, random: Random): Promise<World> {
  const port = new FaultPort({ root: world.root, base: hastyFilePort });
  port.cutAt(1 + random.below(SECOND_CUT_WITHIN), { only: CHANGING_CALLS });
  const second = world.with(() => !port.isCutNoticed);
  try {
    await engine.goOn(port, second);
  } catch (error) {
    if (!port.isCut || !comesFrom(error, (cause) => cause instanceof PowerCut)) throw error;
  } finally {
    port.closeAll();
    // What the first life left running must do nothing more.
    port.cutNow();
  }
  const image = `${world.root}-again`;
  await Deno.remove(image, { recursive: true }).catch(() => {});
  port.crashImage(image, EXTREME_SEEDS + random.below(1_000_000));
  return second.afterCut(image);
}

/** How an attempt ended. */
type RealEnd = "Completed" | "Failed";

/** An attempt as it really was. */
interface RealAttempt {
  readonly nodeId: string;
  readonly attempt: number;
  ended?: RealEnd;
}

/** What the log says of an attempt. */
interface LoggedAttempt {
  readonly nodeId: string;
  readonly attempt: number;
  readonly type: string;
}

/** All that is outside of the run: what its commands did, and what it told. */
export class World {
  /** What is to be run. */
  readonly nodes: Readonly<Record<string, PlannedNode>>;
  /** Where the run is kept. */
  readonly root: string;
  /** Where its attempts are made. */
  readonly place: AttemptPlace = {
    run: (request) => {
      const ended = this.#run(request);
      // Whoever has no power any more waits for nothing.
      ended.catch(() => {});
      return ended;
    },
  };
  readonly #isOn: () => boolean;
  readonly #running = new Set<string>();
  #attempts: RealAttempt[] = [];
  /** The ends that were told, by `node attempt`. */
  #told = new Map<string, RealEnd>();
  /** What must not have been. An engine may catch what is thrown at it, so it is kept until asked for. */
  #problems: string[] = [];

  /** The power is on until the run notices that it is gone, so that it does all that it can before. */
  constructor(
    nodes: Readonly<Record<string, PlannedNode>>,
    root: string,
    isOn: () => boolean = () => true,
  ) {
    this.nodes = nodes;
    this.root = root;
    this.#isOn = isOn;
  }

  /** The run told the end of an attempt: in its view, by a promise, on the terminal. */
  told(nodeId: string, attempt: number, end: RealEnd): void {
    if (!this.#isOn()) return;
    const real = this.#attempt(nodeId, attempt)?.ended;
    if (real !== end) this.#problems.push(`${name(nodeId, attempt)} is ${real}, told was ${end}`);
    this.#told.set(`${nodeId} ${attempt}`, end);
  }

  /** How many ends were told. */
  get toldCount(): number {
    return this.#told.size;
  }

  /** This world with another power supply. */
  with(isOn: () => boolean): World {
    const copy = new World(this.nodes, this.root, isOn);
    copy.#attempts = structuredClone(this.#attempts);
    copy.#told = new Map(this.#told);
    copy.#problems = [...this.#problems];
    return copy;
  }

  /** The world behind a power cut: nothing runs, what the log told is told, and the disk is `image`. */
  afterCut(image: string): World {
    const next = new World(this.nodes, image);
    next.#attempts = structuredClone(this.#attempts);
    next.#told = new Map(this.#told);
    next.#problems = [...this.#problems];
    for (const { nodeId, attempt, type } of loggedAttempts(this.root)) {
      const end = END_OF_TYPE[type];
      if (end !== undefined) next.#told.set(`${nodeId} ${attempt}`, end);
    }
    return next;
  }

  /** Throws unless all nodes have ended well, and the log has every attempt with its end. */
  checkEnd(): void {
    const logged = loggedAttempts(this.root);
    const open = Object.keys(this.nodes).filter((nodeId) => !this.#isDone(nodeId))
      .map((nodeId) => `${nodeId} has not ended well`);
    const untrue = this.#attempts.flatMap((real) => problemsOfLog(real, logged));
    const problems = [...this.#problems, ...open, ...untrue];
    if (problems.length > 0) throw new Error(problems.join("\n"));
  }

  async #run({ nodeId, attempt }: AttemptRequest): Promise<AttemptEnd> {
    if (!this.#isOn()) throw new PowerCut(undefined);
    const problem = this.#problemOf(nodeId, attempt);
    if (problem !== undefined) this.#problems.push(`${name(nodeId, attempt)} began ${problem}`);
    const real: RealAttempt = { nodeId, attempt };
    this.#attempts.push(real);
    this.#running.add(nodeId);
    const { fails = 0, turns = 1 } = this.nodes[nodeId]!;
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    if (!this.#isOn()) throw new PowerCut(undefined);
    this.#running.delete(nodeId);
    const failed = this.#of(nodeId).filter(({ ended }) => ended === "Failed").length;
    real.ended = failed < fails ? "Failed" : "Completed";
    return real.ended === "Completed"
      ? { termination: "Completed", end: { exit_code: 0, duration_ms: turns } }
      : {
        termination: { Failed: "RuntimeError" },
        end: { exit_code: 1, duration_ms: turns, error: { message: "exit code 1" } },
      };
  }

  #problemOf(nodeId: string, attempt: number): string | undefined {
    if (this.#running.has(nodeId)) return "beside another one";
    if (this.#attempt(nodeId, attempt) !== undefined) return "a second time";
    const told = this.#of(nodeId).some((one) =>
      this.#told.get(`${nodeId} ${one.attempt}`) === "Completed"
    );
    if (told) return "though it was told that its node had ended well";
    const open = this.nodes[nodeId]?.needs.find((need) => !this.#isDone(need));
    return open === undefined ? undefined : `before ${open} had ended well`;
  }

  #of(nodeId: string): RealAttempt[] {
    return this.#attempts.filter((one) => one.nodeId === nodeId);
  }

  #attempt(nodeId: string, attempt: number): RealAttempt | undefined {
    return this.#of(nodeId).find((one) => one.attempt === attempt);
  }

  /** The newest attempt decides: what runs anew has not ended. */
  #isDone(nodeId: string): boolean {
    return this.#of(nodeId).at(-1)?.ended === "Completed";
  }
}

const END_OF_TYPE: Record<string, RealEnd> = {
  "node.completed": "Completed",
  "node.failed": "Failed",
};

function name(nodeId: string, attempt: number): string {
  return `Attempt ${attempt} at ${nodeId}`;
}

/** What the log of an ended run says wrongly, twice or not at all of an attempt. */
function problemsOfLog(real: RealAttempt, logged: readonly LoggedAttempt[]): string[] {
  const { nodeId, attempt, ended } = real;
  const types = logged.filter((line) => line.nodeId === nodeId && line.attempt === attempt)
    .map(({ type }) => type);
  const count = (type: string) => types.filter((one) => one === type).length;
  const ends = types.flatMap((type) => END_OF_TYPE[type] ?? []);
  const which = name(nodeId, attempt);
  return [
    ...(count("node.started") === 1 ? [] : [`${which} has ${count("node.started")} begins logged`]),
    ...(ends.length === 1 ? [] : [`${which} has ${ends.length} ends logged`]),
    // One that the power cut off may be logged as failed, whatever it was.
    ...(ends[0] === "Completed" && ended !== "Completed"
      ? [`${which} is ${ended}, logged is Completed`]
      : []),
  ];
}

/** What the logs of all runs in a root say of attempts; broken lines say nothing. */
function loggedAttempts(root: string): LoggedAttempt[] {
  return namesIn(`${root}/runs`).flatMap((run) => {
    const lines = textOf(`${root}/runs/${run}/events.jsonl`).split("\n").slice(0, -1);
    return lines.flatMap((line) => {
      try {
        const { type, node_id: nodeId, attempt } = JSON.parse(line);
        return [{ type, nodeId, attempt }];
      } catch {
        return [];
      }
    });
  });
}

function namesIn(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].map(({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** When the event loop has gone round once. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
