import type { FilePort } from "../../_internal/file_port.ts";
import { EXTREME_SEEDS } from "./crash_image.ts";
import { FaultPort } from "./fault_port.ts";
import { comesFrom, makeRoot, RUNS_MAX, withContext } from "./fault_run.ts";
import { type Call, type CallName, describeCall, PowerCut } from "./fault_script.ts";
import { mixSeeds } from "./random.ts";
import { longCount, seed as runSeed, withMemoryDir } from "./temp.ts";

/** What a check is told about the image before it. */
export interface CutInfo<Acknowledged> {
  /** The power was cut after this call … */
  readonly n: number;
  readonly call: Call;
  /** … and the image was made with this seed. */
  readonly seed: number;
  /** What the workload had pushed by then: what it was promised. */
  readonly acknowledged: readonly Acknowledged[];
}

/** Options of {@linkcode everyCut}. */
export interface EveryCutOptions {
  /**
   * How many images to check after each cut, or their seeds. The first three are the extremes (see
   * {@linkcode FaultPort.crashImage}), the others are drawn from the seed of the run.
   *
   * @default {longCount(8, 32)}
   */
  seeds?: number | readonly number[];
  /** Cut only after calls of these names. */
  only?: readonly CallName[];
  /** Makes the files that are there, and durable, before the workload starts. */
  before?: (root: string) => void | Promise<void>;
  /**
   * The port that does the work, for instance one that does not wait for the disk.
   *
   * @default {denoFilePort}
   */
  base?: FilePort;
  /** Only this cut: to see one failure again, together with `seeds: [seed]`. */
  onlyCut?: number;
}

/** How much was tried. */
export interface EveryCutSummary {
  cuts: number;
  images: number;
}

/** A program whose power is cut. It pushes to `acknowledged` what it was told is safe. */
export type CutWorkload<Acknowledged> = (
  port: FaultPort,
  root: string,
  acknowledged: Acknowledged[],
) => void | Promise<void>;

/** Throws if what the disk holds after the cut breaks a promise. */
export type CutCheck<Acknowledged> = (
  imageRoot: string,
  info: CutInfo<Acknowledged>,
) => void | Promise<void>;

/**
 * Runs `workload` with the power cut after call 1, 2, … until a run ends before its cut, each time in a
 * directory of its own, and gives `check` several states that the disk may be in after that cut.
 *
 * The workload must make the same calls in each run. It may end with any error that has a
 * {@linkcode PowerCut} in its chain of causes; every other error is a failure.
 */
export async function everyCut<Acknowledged = string>(
  workload: CutWorkload<Acknowledged>,
  check: CutCheck<Acknowledged>,
  options: EveryCutOptions = {},
): Promise<EveryCutSummary> {
  const summary = { cuts: 0, images: 0 };
  const seeds = seedList(options.seeds ?? longCount(8, 32));
  const first = options.onlyCut ?? 1;
  for (let n = first; n <= RUNS_MAX; n++) {
    const wasCut = await withMemoryDir(async (directory) => {
      const run = await runUntilCut(workload, directory, n, options);
      if (run.call !== undefined) await checkImages({ ...run, call: run.call }, check, seeds);
      return run.call !== undefined;
    });
    if (!wasCut && n > first) return summary;
    if (!wasCut) throw new Error(`Cannot cut after call ${n}: the workload makes fewer calls`);
    summary.cuts++;
    summary.images += seeds.length;
    if (options.onlyCut !== undefined) return summary;
  }
  throw new Error(`Cannot cut after every call: there are more than ${RUNS_MAX}`);
}

interface Run<Acknowledged> {
  directory: string;
  root: string;
  port: FaultPort;
  n: number;
  acknowledged: Acknowledged[];
  /** The call after which the power was cut; undefined if the workload had ended before. */
  call: Call | undefined;
}

async function runUntilCut<Acknowledged>(
  workload: CutWorkload<Acknowledged>,
  directory: string,
  n: number,
  options: EveryCutOptions,
): Promise<Run<Acknowledged>> {
  const root = await makeRoot(directory, options.before);
  const port = new FaultPort({ root, ...(options.base && { base: options.base }) });
  const acknowledged: Acknowledged[] = [];
  port.cutAt(n, options.only ? { only: options.only } : {});
  try {
    await workload(port, root, acknowledged);
  } catch (error) {
    if (!port.isCut || !comesFrom(error, (cause) => cause instanceof PowerCut)) {
      throw withContext(`The workload failed by itself (power cut n=${n})`, error);
    }
  } finally {
    port.closeAll();
  }
  const call = port.isCut ? port.cutAfter : undefined;
  // What the workload left running must do nothing more to the files.
  port.cutNow();
  return { directory, root, port, n, acknowledged, call };
}

async function checkImages<Acknowledged>(
  run: Run<Acknowledged> & { call: Call },
  check: CutCheck<Acknowledged>,
  seeds: readonly number[],
): Promise<void> {
  const { n, call } = run;
  const acknowledged = [...run.acknowledged];
  for (const seed of seeds) {
    const image = `${run.directory}/image`;
    run.port.crashImage(image, seed < EXTREME_SEEDS ? seed : mixSeeds(seed, n));
    try {
      await check(image, { n, call, seed, acknowledged });
    } catch (error) {
      const where = `Power cut n=${n}, after ${describeCall(call, run.root)}, seed=${seed}`;
      throw withContext(`${where} (again: { onlyCut: ${n}, seeds: [${seed}] })`, error);
    }
    await Deno.remove(image, { recursive: true });
  }
}

function seedList(seeds: number | readonly number[]): readonly number[] {
  if (typeof seeds !== "number") return seeds;
  const drawn = seeds > EXTREME_SEEDS ? runSeed() : 0;
  return Array.from(
    { length: seeds },
    (_, index) => index < EXTREME_SEEDS ? index : mixSeeds(drawn, index),
  );
}
