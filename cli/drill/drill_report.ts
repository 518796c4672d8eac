/** What a drill has found, in words and as JSON. */
import { counted, listed, printableLine } from "../text/printable.ts";
import type { Screen } from "../text/screen.ts";
import { type Cut, cutText } from "./cuts.ts";
import type { DrillOptions, DrillReport, Finding } from "./drill_run.ts";

/** What is told beside what was found. */
interface ReportOptions extends Pick<DrillOptions, "sample" | "seed"> {
  /** What was drilled. */
  name: string;
  /** Whether it is a program. */
  isProgram: boolean;
  /** The files that were compared. */
  effects: readonly string[];
}

/** Whether all that was tried is safe, and anything was. */
export function isSafe({ problem, findings, tried, notReached }: DrillReport): boolean {
  // What came to no point was cut off nowhere, and nothing was shown.
  const hasTried = tried > notReached.length || tried === 0;
  return problem === undefined && findings.length === 0 && hasTried;
}

/** Prints what was found as one object. */
export function printDrillJson(screen: Screen, report: DrillReport, options: ReportOptions): void {
  const { name, sample, seed, effects } = options;
  const { problem = null, cuts, tried, notReached, findings, notes } = report;
  screen.line(JSON.stringify({
    ok: isSafe(report),
    name,
    problem,
    points: cuts,
    tried,
    seed: sample === undefined ? null : seed,
    not_reached: notReached.map(recordOf),
    findings: findings.map(({ cut, cutOff, what, text }) => {
      return { ...recordOf(cut), cut_off: cutOff, what, message: text };
    }),
    effects,
    notes,
  }));
}

function recordOf({ nodeId, attempt, point, kills }: Cut) {
  return { node_id: nodeId, attempt, point, kills };
}

/** Prints what was found for people. */
export function printDrill(screen: Screen, report: DrillReport, options: ReportOptions): void {
  const { name, sample, seed, effects } = options;
  const { problem, cuts, tried, notReached, findings, notes } = report;
  const say = (text: string) => screen.line(printableLine(text));
  const judge = (isWell: boolean, text: string) => {
    screen.line(`${screen.mark(isWell)} ${printableLine(text)}`);
  };
  const ok = isSafe(report);
  if (problem !== undefined) {
    return judge(false, `${name} cannot be drilled: ${problem}`);
  }
  let last = "";
  for (const finding of findings) {
    judge(false, `${cutText(finding.cut)}${othersIn(finding)}: ${finding.text}`);
    const advice = adviceFor(finding, options);
    if (advice !== undefined && advice !== last) say(`    ${advice}`);
    last = advice ?? last;
  }
  for (const cut of notReached) say(`not reached: ${cutText(cut)}`);
  for (const note of new Set(notes)) say(`note: ${note}`);
  if (effects.length === 0) {
    say("note: it saw no effects but outputs: name what is written by --effects PATH");
  }
  if (sample !== undefined) say(`note: ${tried} of ${cuts} drawn by --seed ${seed}`);
  else if (tried < cuts) say(`note: ${cuts - tried} of ${cuts} were not tried for lack of time`);
  const unsafe = [...new Set(findings.flatMap(unsafeIn))];
  const places = counted(new Set(findings.map(({ cut }) => JSON.stringify(cut))).size, "cut");
  const what = ok
    ? `survives each of ${counted(tried, "cut")}`
    : findings.length === 0
    ? "came to none of the points, so that nothing was shown"
    : `does not survive ${places} of ${tried}: ${unsafe.join(", ")}`;
  judge(ok, `${name} ${what}`);
}

/** What was cut off, or else where that was. */
function unsafeIn({ cut, cutOff }: Finding): readonly string[] {
  return cutOff.length === 0 ? [cut.nodeId] : cutOff;
}

/** What ran at the same time, and was cut off too. */
function othersIn({ cut, cutOff }: Finding): string {
  const others = cutOff.filter((nodeId) => nodeId !== cut.nodeId);
  return others.length === 0 ? "" : `, with ${listed(others)}`;
}

/** What to do about it, where that is known. */
function adviceFor(
  { cutOff, what }: Finding,
  { isProgram }: ReportOptions,
): string | undefined {
  const isWork = what === "effect" || what === "output" || what === "result";
  if (!isWork || cutOff.length === 0) return undefined;
  const [it, means] = isProgram
    ? ["step", "the run's id and that of the step"]
    : ["node", "TAFFRAIL_RUN_ID and TAFFRAIL_NODE_ID"];
  return `a ${it} that is cut off runs again; make ${
    listed(cutOff)
  } idempotent: let it look first ` +
    `whether it was done, by ${means}, or write a file as a whole and rename it`;
}
