import { completeConstraints, type Constraints } from "../../_internal/constraints.ts";
import { basename, dirname } from "../../_internal/path.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { stringifyCaptureBundle } from "../../capture/bundle/bundle_text.ts";
import { ShrinkError } from "../../capture/errors.ts";
import { type Divergence, formatDivergence } from "../../capture/replay/divergence.ts";
import { replayBundle } from "../../capture/replay/replay_bundle.ts";
import { showsChange, showsDivergence } from "../../capture/shrink/predicates.ts";
import { shrink } from "../../capture/shrink/shrink.ts";
import type { ShrinkPredicate } from "../../capture/shrink/types.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import { whatIf } from "../../capture/what_if/what_if.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import type { SupervisorOptions } from "../../supervisor/types.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { isDirectory, pathOfOutput, STDOUT } from "../files.ts";
import { Interrupts } from "../process/interrupts.ts";
import {
  damageText,
  inputCount,
  isWhole,
  openCapture,
  type OpenedCapture,
} from "../reading/open_capture.ts";
import { openRoot } from "../reading/open_root.ts";
import { inputLines } from "../reading/shrink_words.ts";
import { attemptName, attemptsOf, changeText, unaskable } from "../reading/what_if_words.ts";
import {
  LIMIT_NAMES,
  LIMIT_OPTIONS,
  LIMIT_VALUES,
  limitsIn,
  limitsText,
} from "../text/limit_options.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { parseCountOption } from "../text/units.ts";
import { cannotWrite, refuseName, writeFile } from "../written_file.ts";
import {
  numberOption,
  onlyOperand,
  outputOption,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  output: outputOption("the name of what is shrunk and .shrunk.json"),
  force: { text: "replace FILE if it is there" },
  "max-tests": {
    value: "N",
    text: "try N smaller recordings at most, and keep the smallest that was found",
  },
  ...LIMIT_OPTIONS,
} as const;

/** `taffrail shrink`: the smallest recording that still shows something. */
export const shrinkVerb: Verb = {
  summary: "find the smallest recording that shows what goes otherwise",
  help: {
    about: `Leaves out of a recording what does not matter, as long as its replay still goes
otherwise in the way in which it first does. What is left is a recording of a
few inputs: for a bug report, or for a test. With a limit it is one about which
that limit would have decided otherwise, as taffrail what-if says it. BUNDLE is
the path of a capture file or journal.
${RUN_OPERAND}`,
    usage: ["[options] RUN|BUNDLE"],
    options: OPTIONS,
    operands: ["RUN|BUNDLE"],
    notes: `${LIMIT_VALUES}

Nothing is run, only decided on once more. FILE is a capture file, which taffrail replay and
what-if take; the command lines and inputs of what is left are in it as they were recorded. Ctrl-C
ends the search and keeps the smallest that was found.`,
    exitCodes: `0 it is written, 1 the recording does not show it, cannot be read, or its journal
is damaged, 2 called wrongly, or FILE is there, 128 + n ended by signal n.`,
    json: `{ "name", "inputs": { "recorded", "shrunk" }, "tests", "is_minimal", "file",
"divergence": { "kind", "index", "event", "path", "recorded", "replayed" },
"constraints": { "recorded", "what_if" }, "damage" }, with -o - to stderr.
is_minimal: no input can be left out any more. divergence: what goes otherwise in the replay, or
null; constraints: the limits that decide otherwise, or null.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("shrink", args, OPTIONS);
    const operand = onlyOperand("shrink", operands, "run or capture file");
    const limits = limitsIn(options);
    const maxTests = numberOption(options, "max-tests", parseCountOption);
    if (maxTests === 0) throw optionError("max-tests", "0", "nothing would be tried");
    const { output, force = false } = options;
    const source = await openCapture(root, operand);
    const file = pathOfOutput(nameFor(source.runId ?? operand), output);
    refuseFile(file, { force });
    const errors = new Screen(Deno.stderr);
    if (await isAtWork(root, source)) {
      errors.line("the run is still at work: this is about what it has recorded so far");
    }
    const found = await search(source, { errors, limits, maxTests });
    if (found.smallest === undefined) {
      errors.line("nothing smaller was found, and nothing is written");
      return found.exitCode;
    }
    const { smallest } = found;
    const text = stringifyCaptureBundle(smallest, "pretty");
    const toError = (cause: unknown) => cannotWrite(file, cause, "-o");
    if (file === STDOUT) new Screen(Deno.stdout).text(text);
    else await writeFile(file, encodeUtf8(text), { force, toError });
    const screen = file === STDOUT ? errors : new Screen(Deno.stdout);
    const report = { ...found, smallest, file, limits, divergence: await divergenceIn(smallest) };
    if (json) screen.line(JSON.stringify(documentOf(source, report)));
    else await print(screen, source, report);
    return found.exitCode;
  },
};

/** What the recording is called where nobody says that. */
function nameFor(source: string): string {
  return `${basename(source).replace(/\.jsonl?$/, "")}.shrunk.json`;
}

/** Refuses a file before the search that could not be written after it. */
function refuseFile(file: string, { force }: { force: boolean }): void {
  if (file === STDOUT) return;
  refuseName(file, { force });
  if (isDirectory(dirname(file))) return;
  throw new UsageError(`Cannot write ${file}: there is no directory ${dirname(file)}; make that`);
}

async function isAtWork(root: string, { runId }: OpenedCapture): Promise<boolean> {
  if (runId === undefined) return false;
  await using runs = await openRoot(root);
  return await runs.view(runId).holder() !== undefined;
}

const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);

/** What was found. */
interface Found {
  /** The smallest recording; undefined where none was found before a signal came. */
  smallest: CaptureBundle | undefined;
  tests: number;
  isMinimal: boolean;
  exitCode: number;
}

/** Searches, and ends with what was found when a signal comes. */
async function search(
  source: OpenedCapture,
  { errors, limits, maxTests }: {
    errors: Screen;
    limits: Partial<Constraints> | undefined;
    maxTests: number | undefined;
  },
): Promise<Found> {
  const { bundle, name } = source;
  const predicate = await predicateFor(source, limits);
  const all = inputCount(bundle);
  let [smallest, tests]: [CaptureBundle | undefined, number] = [undefined, 0];
  using interrupts = new Interrupts();
  interrupts.listen((signal) => errors.line(`${signal}: keeping the smallest so far`));
  try {
    const result = await shrink(bundle, predicate, {
      createSupervisor,
      ...(maxTests !== undefined && { maxTests }),
      signal: interrupts.stop,
      onProgress: (progress) => {
        tests = progress.tests;
        if (progress.inputs < all) smallest = progress.bundle;
        errors.status(`shrinking ${name}: ${progress.inputs} of ${all} inputs, ${tests} tests`);
      },
    });
    return { ...result, smallest: result.bundle, exitCode: isWhole(source) ? 0 : 1 };
  } catch (error) {
    const { received } = interrupts;
    if (received === undefined) throw explained(error, source, limits);
    return { smallest, tests, isMinimal: false, exitCode: received.exitCode };
  } finally {
    errors.status();
  }
}

/** What a smaller recording has to show. */
async function predicateFor(
  { bundle, name }: OpenedCapture,
  limits: Partial<Constraints> | undefined,
): Promise<ShrinkPredicate> {
  if (limits !== undefined) return showsChange({ constraints: limits, createSupervisor });
  const divergence = await divergenceIn(bundle);
  if (divergence !== undefined) return showsDivergence(bundle, divergence, { createSupervisor });
  throw new Error(
    `Cannot shrink ${name}: its replay goes as recorded, so that there is nothing to find; to ask ` +
      `what a limit would change about it, say which: ${LIMIT_NAMES}`,
  );
}

/** What goes otherwise first in the replay of a recording. */
async function divergenceIn(bundle: CaptureBundle): Promise<Divergence | undefined> {
  return (await replayBundle(bundle, { createSupervisor })).divergences[0];
}

/** Why nothing could be searched for, in words. */
function explained(
  error: unknown,
  { bundle, name }: OpenedCapture,
  limits: Partial<Constraints> | undefined,
): unknown {
  const cannot = `Cannot shrink ${name}`;
  if (!(error instanceof ShrinkError)) {
    return unaskable(error, { cannot, remedy: "shrink it without limits" });
  }
  const { kind, details: { inputs, decisions } } = error;
  if (kind === "not-decided") {
    const counts = `${decisions} decisions for the ${inputs} inputs that are decided on`;
    return new Error(`${cannot}: it has ${counts}; taffrail replay shows which do not fit`, {
      cause: error,
    });
  }
  if (limits === undefined) {
    const problem = "what goes otherwise in its replay is no decision on an input that it takes";
    return new Error(`${cannot}: ${problem}; taffrail replay shows all of it`, { cause: error });
  }
  const { config } = bundle;
  const changes = limitsText(completeConstraints(config), { ...config, ...limits });
  const problem = `nothing would have been decided otherwise (${changes})`;
  return new Error(`${cannot}: ${problem}`, { cause: error });
}

/** What is told of what was found. */
interface Report extends Found {
  smallest: CaptureBundle;
  file: string;
  divergence: Divergence | undefined;
  limits: Partial<Constraints> | undefined;
}

function documentOf(
  { name, bundle, damage }: OpenedCapture,
  { smallest, tests, isMinimal, file, divergence, limits }: Report,
): object {
  const { context: _, ...otherwise } = divergence ?? {};
  const constraints = { recorded: bundle.config, what_if: { ...bundle.config, ...limits } };
  return {
    name,
    inputs: { recorded: inputCount(bundle), shrunk: inputCount(smallest) },
    tests,
    is_minimal: isMinimal,
    file: file === STDOUT ? null : file,
    divergence: divergence === undefined ? null : otherwise,
    constraints: limits === undefined ? null : constraints,
    damage: damage === null ? null : damageText(damage),
  };
}

async function print(
  screen: Screen,
  { name, bundle, damage }: OpenedCapture,
  { smallest, tests, isMinimal, file, divergence, limits }: Report,
): Promise<void> {
  const counts = `${counted(inputCount(bundle), "input")}, of which ${inputCount(smallest)}`;
  const last = isMinimal ? "none can be left out any more" : "more may be left out";
  const tried = `${counted(tests, "test")}, ${last}`;
  screen.line(`${screen.mark(true)} ${printableLine(name)}: ${counts} show it (${tried})`);
  for (const line of inputLines(smallest, divergence)) screen.line(`  ${line}`);
  if (divergence !== undefined) screen.line(`  ${printableLine(formatDivergence(divergence))}`);
  if (limits !== undefined) {
    const { attempts, constraints: { recorded, whatIf: other } } = await whatIf(smallest, {
      constraints: limits,
      createSupervisor,
    });
    screen.line(`  ${limitsText(recorded, other)}:`);
    const numbering = attemptsOf(smallest);
    for (const attempt of attempts) {
      const text = attempt.isChanged ? changeText(attempt) : undefined;
      if (text !== undefined) screen.line(`    ${attemptName(numbering(attempt))}  ${text}`);
    }
  }
  if (file !== STDOUT) screen.line(`written to ${printableLine(file)}`);
  if (damage !== null) screen.line(`the journal ends at ${printableLine(damageText(damage))}`);
}
