/**
 * A drill from its begin to its end: the run undisturbed, twice, so that it is known what is never the same
 * twice; then once for each cut, where it is cut off and gone on with, in a root and a folder of its own.
 *
 * Whatever happens, all that was started is ended, and all that was made is removed, before this settles.
 */
import { join } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { SignalTarget } from "../process/interrupts.ts";
import { readRunLog } from "../../run/engine/run_log.ts";
import { type Cut, cutsOf, cutText, sampleCuts } from "./cuts.ts";
import { allowedBy, type Difference, differencesOf, type Outcome, readOutcome } from "./outcome.ts";
import { belowOf, KeptEffects, type Place, Scratch } from "./scratch.ts";
import { sit, type Sitting } from "./sitting.ts";
import type { CommandToRun, Subject } from "./subject.ts";

/** What is drilled, and how much. */
export interface DrillOptions {
  /** What is drilled. */
  subject: Subject;
  /** Where it lies. */
  place: Place;
  /** The answers for gates. */
  passes: ReadonlyMap<string, { value?: unknown }>;
  /** How many of the cuts are tried; all where that is left out. */
  sample: number | undefined;
  /** Draws them. */
  seed: number;
  /** After how many milliseconds no further cut is tried. */
  timeMs: number | undefined;
  /** The processes that signals of the terminal are passed on to. */
  commands: Set<SignalTarget>;
  /** Ends all. */
  stop: AbortSignal;
  /** Says what is done now. */
  progress: (text: string) => void;
}

/** Something that is not safe. */
export interface Finding {
  /** Where it was cut off. */
  cut: Cut;
  /** The nodes or steps that ran there and run again: that of the cut, and what others ran then. */
  cutOff: readonly string[];
  /** Of what kind it is; `resume`: it cannot be gone on with. */
  what: Difference["what"] | "resume";
  /** What is not as it should be. */
  text: string;
}

/** What a drill has found. */
export interface DrillReport {
  /** Why nothing could be tried; then all else is empty. */
  problem: string | undefined;
  /** How many ways there are to cut it off. */
  cuts: number;
  /** How many of them were tried. */
  tried: number;
  /** To which of these it did not come. */
  notReached: Cut[];
  /** What is not safe. */
  findings: Finding[];
  /** What else is to be known. */
  notes: string[];
}

/** A run that came to its end undisturbed, and how long that took. */
interface Undisturbed {
  outcome: Outcome;
  durationMs: number;
  passed: ReadonlySet<string>;
  /** Where the root of a run is that takes place somewhere else. */
  rootIn: (scratch: Scratch) => string;
}

/** What is said of a run that hangs is that it did not end in this time. */
const LEAST_LIMIT_MS = 60_000;
const LIMIT_FACTOR = 20;

/** Why a drill cannot be made, in words. */
class CannotDrill extends Error {
  /** The name of the class. */
  override readonly name = "CannotDrill";
}

/**
 * Makes a drill.
 *
 * @throws {UsageError} If it waits at a gate for which there is no answer, or cannot be drilled as was asked.
 */
export async function drillRun(options: DrillOptions): Promise<DrillReport> {
  await using kept = options.place.isHere ? await KeptEffects.keep(options.place) : undefined;
  return await new Drill(options, kept).run();
}

class Drill {
  readonly #options: DrillOptions;
  readonly #kept: KeptEffects | undefined;
  readonly #report: DrillReport = {
    problem: undefined,
    cuts: 0,
    tried: 0,
    notReached: [],
    findings: [],
    notes: [],
  };

  constructor(options: DrillOptions, kept: KeptEffects | undefined) {
    this.#options = options;
    this.#kept = kept;
  }

  async run(): Promise<DrillReport> {
    const report = this.#report;
    const { subject, passes, sample, seed, timeMs, progress } = this.#options;
    const startedMs = performance.now();
    progress(`running ${subject.name} undisturbed`);
    let first: Undisturbed;
    let varying: ReadonlySet<string>;
    try {
      first = await this.#undisturbed();
      const second = await this.#undisturbed();
      varying = this.#varyingIn(first.outcome, second.outcome);
    } catch (error) {
      if (!(error instanceof CannotDrill)) throw error;
      return { ...report, problem: error.message };
    }
    for (const gate of passes.keys()) {
      if (!first.passed.has(gate)) report.notes.push(`it does not wait at the gate ${gate}`);
    }
    const all = cutsOf(first.outcome.attempts);
    const cuts = sample === undefined ? all : sampleCuts(all, sample, seed);
    report.cuts = all.length;
    for (const [index, cut] of cuts.entries()) {
      if (timeMs !== undefined && performance.now() - startedMs >= timeMs) break;
      progress(`${index + 1}/${cuts.length} ${cutText(cut)}`);
      await this.#try(cut, first, varying);
      report.tried++;
    }
    return report;
  }

  #make(): Promise<Scratch> {
    const note = (text: string) => this.#report.notes.push(text);
    return Scratch.make(this.#options.place, { kept: this.#kept, note });
  }

  /** Runs it to its end, as anybody would. */
  async #undisturbed(): Promise<Undisturbed> {
    const { subject, place } = this.#options;
    await using scratch = await this.#make();
    const sitting = await this.#sit(subject.begin(), scratch, {
      root: subject.choosesRoot ? undefined : scratch.root,
      limitMs: 2 ** 31 - 1,
    });
    if (sitting.run === undefined) throw new CannotDrill(this.#noRun(sitting));
    const { root } = sitting.run;
    const outcome = await readOutcome(sitting.run, { ...place, folder: scratch.folder });
    if (outcome.state !== "Completed") {
      const what = outcome.state === "Running" ? "it leaves its run open" : `it ${outcome.state}`;
      throw new CannotDrill(`undisturbed ${what}${this.#said(sitting.how)}`);
    }
    const [problem] = outcome.problems;
    if (problem !== undefined) throw new CannotDrill(`undisturbed ${problem}`);
    const below = root === scratch.root ? undefined : belowOf(root, scratch.folder);
    const rootIn = (other: Scratch) => below === undefined ? other.root : join(other.folder, below);
    return { outcome, rootIn, durationMs: sitting.durationMs, passed: sitting.passed };
  }

  #noRun({ how }: Sitting): string {
    if (!this.#options.subject.choosesRoot) return `no run was begun (${how})`;
    return `it has told of no run (${how}): a program has to use durable() or openRun(), to record ` +
      "below TAFFRAIL_ROOT or below its folder, and to be allowed to read TAFFRAIL_DRILL, as by " +
      "--allow-env";
  }

  /** What a program has printed last; of a flow its records say more. */
  #said(how: string): string {
    return this.#options.subject.choosesRoot ? ` (${how})` : "";
  }

  /** What differs between two runs though nothing was done to them says nothing, and is not compared. */
  #varyingIn(one: Outcome, other: Outcome): ReadonlySet<string> {
    const varying = differencesOf(one, other);
    for (const { text } of varying) {
      this.#report.notes.push(`not compared, as two undisturbed runs differ in it: ${text}`);
    }
    return new Set(varying.map(({ key }) => key));
  }

  async #sit(
    command: CommandToRun,
    scratch: Scratch,
    { root, limitMs, cut }: { root: string | undefined; limitMs: number; cut?: Cut },
  ): Promise<Sitting> {
    const { passes, commands, stop } = this.#options;
    return await sit(command, { scratch, root, passes, commands, stop, limitMs }, cut);
  }

  /** Cuts it off at a point, goes on with it, and compares what came of it. */
  async #try(cut: Cut, undisturbed: Undisturbed, varying: ReadonlySet<string>): Promise<void> {
    const { subject, place } = this.#options;
    const { durationMs, outcome: expected, rootIn } = undisturbed;
    const limitMs = LEAST_LIMIT_MS + LIMIT_FACTOR * durationMs;
    await using scratch = await this.#make();
    const options = { root: rootIn(scratch), limitMs };
    let cutOff: readonly string[] = [];
    const find = (what: Finding["what"], text: string) => {
      this.#report.findings.push({ cut, cutOff, what, text });
    };
    const first = await this.#sit(subject.begin(), scratch, { ...options, cut });
    const { run } = first;
    if (!first.isReached) this.#report.notReached.push(cut);
    if (run === undefined) return find("resume", `it told of no run: ${first.how}`);
    let { how } = first;
    if (!isCompleted(run)) {
      const second = await this.#sit(subject.goOn(run), scratch, options);
      ({ how } = second);
      if (second.run === undefined) return find("resume", `it cannot be gone on with: ${how}`);
      if (second.run.runId !== run.runId) {
        return find(
          "resume",
          "it began a new run instead of going on with the one that was cut off",
        );
      }
    }
    const found = await readOutcome(run, { ...place, folder: scratch.folder })
      .catch((error) => reasonOf(error));
    if (typeof found === "string") return find("records", `its records cannot be read: ${found}`);
    cutOff = [...found.nodes].filter(([, node]) => node.cutOff > 0).map(([id]) => id);
    const allowed = allowedBy(expected, found, cut);
    if (allowed !== undefined) this.#report.notes.push(`${cutText(cut)}: ${allowed}`);
    for (const { what, key, text } of differencesOf(expected, found, cut)) {
      const counts = allowed === undefined || what === "state" || what === "records";
      if (!counts || varying.has(key)) continue;
      // Of one that was left open nothing else says why.
      const said = found.state === "Running" ? ` (${how})` : this.#said(how);
      find(what, what === "state" ? text + said : text);
    }
  }
}

function isCompleted({ root, runId }: { root: string; runId: string }): boolean {
  return readRunLog(root, runId).fold.run.state === "Completed";
}
