import type { Constraints } from "../../_internal/constraints.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { CaptureBundle } from "../../capture/types.ts";
import type { AttemptView } from "../../capture/what_if/attempt_view.ts";
import type {
  UnknownAttempt,
  WhatIfAttempt,
  WhatIfOptions,
  WhatIfReport,
} from "../../capture/what_if/types.ts";
import { whatIf } from "../../capture/what_if/what_if.ts";
import { nodeOfEvent } from "../../run/engine/asks.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import type { Duration } from "../../supervisor/types.ts";
import { UsageError } from "../exit_codes.ts";
import { type Flow, nodesById } from "../flow/flow.ts";
import { flowOfRecord, readFlowRecord } from "../flow/flow_record.ts";
import { openRoot, type RunPlace } from "../reading/open_root.ts";
import { damageText, isWhole, openCapture, type OpenedCapture } from "../reading/open_capture.ts";
import {
  attemptName,
  attemptsOf,
  changeText,
  type EventAttempt,
  type Numbering,
  unaskable,
  unknownText,
} from "../reading/what_if_words.ts";
import {
  LIMIT_NAMES,
  LIMIT_OPTIONS,
  LIMIT_VALUES,
  limitsIn,
  limitsText,
} from "../text/limit_options.ts";
import { columnWidth, printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { formatDuration } from "../text/units.ts";
import { onlyOperand, readArguments, type Verb } from "../text/arguments.ts";

/** `taffrail what-if`: what would have been decided under other limits. */
export const whatIfVerb: Verb = {
  summary: "say what other limits would have changed about a run",
  help: {
    about: `Goes through what a run recorded once more under other limits, without running
anything: which nodes would have waited, started or failed otherwise, and how
long the run would have taken. RUN is as for taffrail replay; also a run that
was killed, and one of a program of yours.`,
    usage: ["[options] RUN|BUNDLE"],
    options: LIMIT_OPTIONS,
    operands: ["RUN|BUNDLE"],
    notes: `${LIMIT_VALUES} Each attempt is taken to last as long as it did, however
many run beside it; nodes that need others start as soon after them as they did,
as the flow of the run says; steps of a program come when they came. An attempt
that was never made, or was ended from outside, is said to be unknown.`,
    exitCodes: "0 it could be said, 1 it could not, or the journal is damaged.",
    json: `{ "name", "constraints": { "recorded", "what_if" }, "took_ms": { "recorded",
"what_if" }, "attempts": [{ "node_id", "attempt", "is_changed", "recorded",
"what_if" }], "unknown": [{ "node_id", "attempt", "why" }], "damage" }. recorded
and what_if of an attempt: { "asked_ms", "waits", "begun_ms", "ended_ms",
"termination", "skipped" }, or null; they count from the begin.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("what-if", args, LIMIT_OPTIONS);
    const operand = onlyOperand("what-if", operands, "run or capture file");
    const constraints = limitsIn(options);
    if (constraints === undefined) {
      const problem = `Say which limit is to be another: ${LIMIT_NAMES}`;
      throw new UsageError(`${problem}; see taffrail what-if --help`);
    }
    const source = await openCapture(root, operand);
    await using runs = source.runId === undefined ? null : await openRoot(root);
    const view = runs?.view(source.runId!);
    const report = await ask(source, view && { root, view }, constraints);
    const screen = new Screen(Deno.stdout);
    const numbering = attemptsOf(source.bundle);
    if (json) screen.line(JSON.stringify(documentOf(source, report, numbering)));
    else {
      if (view !== undefined && await view.holder() !== undefined) {
        screen.line("the run is still at work: this is about what has ended so far");
      }
      print(screen, source, { report, numbering });
    }
    return isWhole(source) ? 0 : 1;
  },
};

async function ask(
  { bundle, name }: OpenedCapture,
  place: RunPlace | undefined,
  constraints: Partial<Constraints>,
): Promise<WhatIfReport> {
  const record = place && await readFlowRecord(place);
  const flow = record && flowOfRecord(record);
  try {
    return await whatIf(bundle, {
      constraints,
      createSupervisor: (options) => new Supervisor(options),
      ...(flow && programOf(flow, bundle)),
    });
  } catch (error) {
    const cannot = `Cannot say what would have been of ${name}`;
    throw unaskable(error, { cannot, remedy: "taffrail replay says where" });
  }
}

/** What a flow makes of the ends of its nodes. */
function programOf(
  flow: Flow,
  bundle: CaptureBundle,
): Required<Pick<WhatIfOptions, "dependsOn" | "onFailure" | "runsAlways">> {
  const nodes = nodesById(flow.nodes);
  const asks = Map.groupBy(eventIdsOf(bundle), nodeOfEvent);
  const nodeOf = (eventId: string) => nodes.get(nodeOfEvent(eventId));
  // Aggregates and gates have no events: what needs them needs what they need.
  const eventsOfNeeds = (nodeId: string): string[] =>
    (nodes.get(nodeId)?.needs ?? []).flatMap((need) => asks.get(need) ?? eventsOfNeeds(need));
  const consequence = flow.onFailure === "keep_going" ? "block" : "stop";
  return {
    dependsOn: (eventId) => eventsOfNeeds(nodeOfEvent(eventId)),
    onFailure: (eventId) => nodeOf(eventId)?.allowFailure === true ? "go-on" : consequence,
    runsAlways: (eventId) => (nodeOf(eventId)?.when ?? "success") !== "success",
  };
}

function eventIdsOf(bundle: CaptureBundle): string[] {
  return "inputs" in bundle
    ? bundle.inputs.flatMap((input) => input.type === "event" ? [input.event_id] : [])
    : bundle.events.map(({ event_id: id }) => id);
}

function documentOf(source: OpenedCapture, report: WhatIfReport, numbering: Numbering): object {
  const { constraints, took, attempts, unknown } = report;
  const places = (one: EventAttempt) => {
    const { nodeId, attempt } = numbering(one);
    return { node_id: nodeId, attempt };
  };
  return {
    name: source.name,
    constraints: { recorded: constraints.recorded, what_if: constraints.whatIf },
    took_ms: { recorded: milliseconds(took.recorded), what_if: milliseconds(took.whatIf) },
    attempts: attempts.map((one) => ({
      ...places(one),
      is_changed: one.isChanged,
      recorded: viewOf(one.recorded),
      what_if: viewOf(one.whatIf),
    })),
    unknown: unknown.map((one) => ({ ...places(one), why: one.why })),
    damage: source.damage === null ? null : damageText(source.damage),
  };
}

function viewOf(view: AttemptView | null): object | null {
  if (view === null) return null;
  const { askedAt, waits, begun, ended, skipped } = view;
  return {
    asked_ms: milliseconds(askedAt),
    waits,
    begun_ms: milliseconds(begun?.at ?? null),
    ended_ms: milliseconds(ended?.at ?? null),
    termination: ended?.termination ?? null,
    skipped,
  };
}

function milliseconds(duration: Duration | null): number | null {
  return duration === null ? null : millisecondsOf(duration);
}

function print(
  screen: Screen,
  { name, damage }: OpenedCapture,
  { report, numbering }: { report: WhatIfReport; numbering: Numbering },
): void {
  using _batch = screen.batch();
  const { recorded, whatIf } = report.constraints;
  const limits = limitsText(recorded, whatIf);
  screen.line(`${screen.paint(printableLine(name), "bold")}  ${limits}`);
  const named = (one: EventAttempt) => attemptName(numbering(one));
  const keyOf = (one: EventAttempt) => `${one.attempt} ${one.eventId}`;
  // Of what would not have begun, as far as is known, it is said below why.
  const unbegun = new Set(report.unknown.filter(isUnbegun).map(keyOf));
  const changes = report.attempts.flatMap((one: WhatIfAttempt) => {
    const text = unbegun.has(keyOf(one)) ? undefined : changeText(one);
    return text === undefined ? [] : [{ name: named(one), text }];
  });
  const unknown = report.unknown.map((one) => ({ name: named(one), text: unknownText(one) }));
  const width = columnWidth([...changes, ...unknown].map(({ name }) => name), 0);
  const lineOf = (one: { name: string; text: string }) =>
    `  ${one.name.padEnd(width)}  ${one.text}`;
  if (changes.length === 0) screen.line("  no decision would have been another");
  for (const change of changes) screen.line(lineOf(change));
  if (unknown.length > 0) {
    screen.line("what the recording does not tell:");
    for (const one of unknown) screen.line(screen.paint(lineOf(one), "yellow"));
  }
  screen.line(tookText(report));
  if (damage !== null) screen.line(`the journal ends at ${printableLine(damageText(damage))}`);
}

function isUnbegun({ why }: UnknownAttempt): boolean {
  return why === "waits" || why === "not-asked";
}

function tookText({ took: { recorded, whatIf }, unknown }: WhatIfReport): string {
  if (recorded === null || whatIf === null) return "how long it took is not recorded";
  const [before, after] = [recorded, whatIf].map((took) => formatDuration(millisecondsOf(took)));
  return unknown.length === 0
    ? `it took ${before}, and would have taken ${after}`
    : `it took ${before}; of what is known, the last would have been over after ${after}`;
}
