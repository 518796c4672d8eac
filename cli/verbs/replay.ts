import { type Divergence, formatDivergence } from "../../capture/replay/divergence.ts";
import { replayBundle, type ReplayReport } from "../../capture/replay/replay_bundle.ts";
import { ReplayError } from "../../capture/replay/replay_error.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { systemTimers } from "../../supervisor/driver/timers.ts";
import { flowProvenance } from "../flow/node_event.ts";
import { nodeOfEvent } from "../../run/engine/asks.ts";
import { givenFlow } from "../flow/read_flow.ts";
import { Interrupts } from "../process/interrupts.ts";
import {
  damageText,
  inputCount,
  isWhole,
  openCapture,
  type OpenedCapture,
} from "../reading/open_capture.ts";
import { counted, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import {
  COMMAND_OPTIONS,
  commandSettings,
  onlyOperand,
  type OptionTable,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  live: {
    text: "make every attempt again, by running its command, and compare how it ends and what it " +
      "prints to stdout, too; it reads nothing, and needs the --max-output of the run",
  },
  flow: {
    value: "FLOW",
    text: 'the flow that was run: checks that it is the same one, and gives the values of "env" ' +
      "to --live",
  },
  ...COMMAND_OPTIONS,
} as const satisfies OptionTable;

/** `taffrail replay`: proves that a run would be decided on again as it was. */
export const replayVerb: Verb = {
  summary: "prove that a run would be decided on again as it was",
  help: {
    about: `Feeds what a run's supervisor was given to a fresh one, and compares every
decision with the recorded one; also of a run that was killed: what it had
decided is replayed. BUNDLE is the path of a capture file or journal.
${RUN_OPERAND}`,
    usage: ["[options] RUN|BUNDLE"],
    options: OPTIONS,
    operands: ["RUN|BUNDLE"],
    exitCodes: `0 all went as recorded, 1 it did not, or there is nothing that can be replayed.`,
    json: `{ "ok", "inputs", "decisions", "divergences": [{ "kind", "index", "event",
"path", "recorded", "replayed" }], "undecided", "interrupted", "damage",
"redacted" }. undecided: events that were never decided on. interrupted:
attempts without an end. damage: where the journal cannot be read. redacted:
values were left out of the recording.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("replay", args, OPTIONS);
    const source = await openCapture(root, onlyOperand("replay", operands, "run or capture file"));
    const redacted = "redacted" in source.bundle && source.bundle.redacted;
    if (redacted && (options.live || options.flow !== undefined)) {
      const problem = "it was redacted, so that what it ran is not there any more";
      throw new Error(`Cannot replay ${source.name} with --live or --flow: ${problem}`);
    }
    const settings = commandSettings(options);
    const flow = await givenFlow(options.flow, settings.masks);
    const expected = flow === undefined ? {} : {
      expected: { adapterProvenance: "none", runtimeProvenance: await flowProvenance(flow) },
    };
    const createSupervisor = (ports: ConstructorParameters<typeof Supervisor>[0]) =>
      new Supervisor(ports);
    if (!options.live) {
      const report = await replayBundle(source.bundle, { createSupervisor, ...expected })
        .catch((error) => refuseOtherFlow(error, flow?.path));
      const notes = redacted ? [REDACTED] : [];
      return printResult(source, { ...report, notes }, json);
    }
    using interrupts = new Interrupts();
    interrupts.listen((signal) => new Screen(Deno.stderr).line(`${signal}: ending what runs`));
    const { LiveReplay } = await import("../process/rerun_commands.ts");
    await using live = await LiveReplay.open(source.bundle, flow, {
      interrupts,
      ...settings,
    });
    const report = await replayBundle(source.bundle, {
      createSupervisor,
      ...expected,
      invoker: live,
      timers: systemTimers,
      deadlineGraceMs: live.endWithinMs,
      signal: interrupts.stop,
    }).finally(() => live.settled()).catch((error) => {
      if (interrupts.received === undefined) refuseOtherFlow(error, flow?.path);
      return undefined;
    });
    if (report === undefined) return interrupts.received!.exitCode;
    const divergences = [...report.divergences, ...live.outputDivergences()];
    const were = live.attempts === 1 ? "was" : "were";
    const notes = [`${counted(live.attempts, "attempt")} ${were} made again`];
    const ok = divergences.length === 0;
    return printResult(source, { ...report, ok, divergences, notes }, json);
  },
};

const REDACTED = "it was redacted: its decisions are compared, which depend on nothing left out";

/** Says in words what the provenance of a flow means. */
function refuseOtherFlow(error: unknown, path: string | undefined): never {
  if (error instanceof ReplayError && error.kind === "runtime-provenance-mismatch") {
    const message = `${path} is not the flow that was run: its nodes or their commands differ`;
    throw new Error(`Cannot replay: ${message} (${error.message})`, { cause: error });
  }
  throw error;
}

function printResult(
  source: OpenedCapture,
  report: ReplayReport & { notes: string[] },
  json: boolean,
): number {
  const screen = new Screen(Deno.stdout);
  const { bundle, undecided, interrupted, damage } = source;
  const inputs = inputCount(bundle);
  const { divergences } = report;
  const ok = report.ok && isWhole(source);
  if (json) {
    const decisions = bundle.decisions.length;
    const { redacted } = report;
    const listed = divergences.map(({ context: _, ...divergence }) => divergence);
    screen.line(
      JSON.stringify({
        ok,
        inputs,
        decisions,
        divergences: listed,
        undecided,
        interrupted,
        damage: damage === null ? null : damageText(damage),
        redacted,
      }),
    );
    return ok ? 0 : 1;
  }
  const mark = screen.mark(ok);
  const counts = `${inputs} inputs, ${bundle.decisions.length} decisions`;
  const places = counted(divergences.length, "place");
  const result = !report.ok
    ? `the replay went otherwise at ${places}`
    : ok
    ? "the replay went as recorded"
    : "the rest cannot be replayed";
  screen.line(`${mark} ${[`${printableLine(source.name)}: ${counts}`, result].join("; ")}`);
  for (const note of report.notes) screen.line(`  ${note}`);
  for (const divergence of divergences) {
    screen.line(`  ${printableLine(textOf(divergence))}`);
  }
  if (undecided.length > 0) {
    screen.line(`  never decided on: ${printableLine(undecided.join(", "))}`);
  }
  if (interrupted.length > 0) {
    screen.line(`  without an end: ${printableLine(interrupted.join(", "))}`);
  }
  if (damage !== null) screen.line(`  the journal ends at ${printableLine(damageText(damage))}`);
  return ok ? 0 : 1;
}

function textOf(divergence: Divergence): string {
  const text = formatDivergence(divergence);
  if (!divergence.path.endsWith(".output_hash")) return text;
  return `node ${nodeOfEvent(divergence.event)} printed something else: ${text}`;
}
