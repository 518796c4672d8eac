import { optionError, StoppedError, UsageError } from "../exit_codes.ts";
import { isDirectory, resolve } from "../files.ts";
import { dirname } from "../../_internal/path.ts";
import { Interrupts } from "../process/interrupts.ts";
import { Screen } from "../text/screen.ts";
import { parseCountOption, parseDurationOption } from "../text/units.ts";
import {
  numberOption,
  onlyOperand,
  type Options,
  type OptionTable,
  parseJsonValue,
  readArguments,
  splitArguments,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  effects: {
    value: "PATH",
    isRepeated: true,
    text: "a file or folder that is compared too, relative to the folder; may be given several " +
      "times. The order of lines does not count",
  },
  pass: {
    value: "GATE[=JSON]",
    isRepeated: true,
    text: "lets it pass a gate; may be given several times",
  },
  sample: { value: "N", text: "try N of the ways only, drawn by lot" },
  seed: { value: "N", text: "draw the same ones again" },
  time: { value: "DURATION", text: "begin with no further one after this time" },
  dir: {
    value: "DIR",
    text: "the folder of which each run gets a copy (default: that of the flow; with -- the " +
      "current one), without its runs",
  },
  here: {
    text: "make no copy; the files of --effects are put back before each run and at the end, " +
      "all else stays as the runs leave it",
  },
  root: { value: "ROOT", isRefused: true, text: "each run has a root of its own" },
} as const satisfies OptionTable;

/** `taffrail drill`: shows whether a flow or a program survives being cut off. */
export const drillVerb: Verb = {
  summary: "kill a flow or program at every step, and see whether it survives",
  help: {
    about: `Runs a flow, or a program that uses durable() or openRun(), undisturbed; then
once for each way to cut it off, where it is killed by SIGKILL and gone on with;
and says where it came to something else than undisturbed: another end, another
output or result, another file. That step is not safe to be cut off.`,
    usage: ["[options] FLOW [-- ARGUMENT…]", "[options] -- COMMAND [ARGUMENT…]"],
    options: OPTIONS,
    takesCommand: true,
    operands: ["FLOW"],
    notes: `Each attempt of the undisturbed run has four points: decided, when its begin is
on disk and its work has not begun; begun, when that has; ended, when it is over
and that is not recorded; told, when it is. At begun the command of a node is
also killed alone, as by a lack of memory, and together with taffrail. What
handles the failure of a node may run then, and one that may fail may have
failed. An attempt that was cut off is made again: only that may be different.

Every run has a root of its own, in TAFFRAIL_ROOT; nothing is recorded in yours.
A program has to record there, or in a folder below its own, as in .taffrail; to
be allowed to read the environment (--allow-env=TAFFRAIL_ROOT,TAFFRAIL_RESUME,
TAFFRAIL_DRILL); and to be one run. Its command is started again to go on with
it, with TAFFRAIL_RESUME. What it sleeps for is due at once. Whatever it has
started in its process group is killed with it. All that is named by an absolute
path, and all that is no file, is not copied, and really done each time.

It is run undisturbed twice: what differs between these two, as times and random
numbers do, is not compared, which is told; of a file the number of its lines
still is. Each run is also verified, and replayed.`,
    exitCodes: `0 it survives all that was tried, 1 it does not, or it does not complete
undisturbed, 2 called wrongly, 128 + n ended by signal n.`,
    json: `{ "ok", "name", "problem", "points", "tried", "seed", "not_reached", "findings":
[{ "node_id", "attempt", "point", "kills", "cut_off", "what", "message" }],
"effects", "notes" }. cut_off: what ran there, and runs again. kills: "program",
"command" or "both". what: "state", "node", "attempts", "output", "result",
"effect", "records" or "resume". problem: why nothing could be tried, or null.`,
  },

  async run(args) {
    const { own, behind } = splitArguments(args);
    const { json, options, operands } = readArguments("drill", own, OPTIONS);
    const sample = numberOption(options, "sample", parseCountOption);
    if (sample === 0) throw optionError("sample", "0", "nothing would be tried");
    const { drillRun } = await import("../drill/drill_run.ts");
    const { isSafe, printDrill, printDrillJson } = await import("../drill/drill_report.ts");
    const isProgram = operands.length === 0 && behind.length > 0;
    const { subject, place } = await chooseSubject({ options, operands, behind, isProgram });
    const drill = {
      subject,
      place,
      passes: parsePasses(options.pass ?? []),
      sample,
      seed: numberOption(options, "seed", parseCountOption) ?? randomSeed(),
      timeMs: numberOption(options, "time", parseDurationOption),
    };
    using interrupts = new Interrupts();
    const errors = new Screen(Deno.stderr);
    interrupts.listen((signal, isFirst) => {
      if (isFirst) errors.line(`${signal}: ending what runs`);
    });
    const { stop, commands } = interrupts;
    const progress = (text: string) => errors.status(`drilling ${text}`);
    const report = await drillRun({ ...drill, stop, commands, progress }).catch((error) => {
      if (interrupts.received === undefined) throw error;
      const { name, exitCode } = interrupts.received;
      throw new StoppedError(`${name}: the drill of ${subject.name} was not finished`, exitCode);
    }).finally(() => errors.status());
    const screen = new Screen(Deno.stdout);
    const shown = { ...drill, name: subject.name, isProgram, effects: place.effects };
    if (json) printDrillJson(screen, report, shown);
    else printDrill(screen, report, shown);
    return isSafe(report) ? 0 : 1;
  },
};

/** Reads `GATE` and `GATE=JSON`. */
function parsePasses(given: readonly string[]): Map<string, { value?: unknown }> {
  return new Map(given.map((text) => {
    const at = text.indexOf("=");
    if (at === -1) return [text, {}];
    const json = text.slice(at + 1);
    const value = parseJsonValue(json, (problem) => {
      return new UsageError(`Cannot use --pass ${text}: ${json} ${problem}`);
    });
    return [text.slice(0, at), { value }];
  }));
}

const MOST_SEED = 1_000_000_000;

function randomSeed(): number {
  return Math.floor(Math.random() * MOST_SEED);
}

async function chooseSubject(
  { options, operands, behind, isProgram }: {
    options: Options<typeof OPTIONS>;
    operands: string[];
    behind: string[];
    isProgram: boolean;
  },
) {
  const { findProgram, flowSubject, programSubject } = await import("../drill/subject.ts");
  const { belowOf } = await import("../drill/scratch.ts");
  const cwd = await Deno.realPath(Deno.cwd());
  const flow = isProgram ? undefined : flowPath(onlyOperand("drill", operands, "flow file"));
  const directory = folderOf(options.dir ?? (flow === undefined ? cwd : dirname(flow)));
  const effects = (options.effects ?? []).map((path) => {
    const below = belowOf(resolve(directory, path), directory);
    if (below !== undefined && below !== "") return below;
    throw optionError("effects", path, `it is no path below ${directory}, which is what is copied`);
  });
  const below = belowOf(cwd, directory) ?? "";
  const place = { directory, below, isHere: options.here ?? false, effects };
  if (flow === undefined) {
    findProgram(behind, cwd);
    return { subject: programSubject(behind), place };
  }
  const path = belowOf(flow, directory);
  if (path === undefined) {
    throw new UsageError(`Cannot drill ${flow}: it is not below ${directory}; name another --dir`);
  }
  // It is seen from where it is started.
  return { subject: flowSubject(path, behind), place: { ...place, below: "" } };
}

function flowPath(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new UsageError(`Cannot read ${path}: it does not exist`, { cause });
  }
}

function folderOf(path: string): string {
  if (isDirectory(path)) return Deno.realPathSync(path);
  throw optionError("dir", path, "it is no directory");
}
