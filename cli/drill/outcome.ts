/**
 * What a run came to, as far as it should be the same however often it was cut off; and in what it is not. Its
 * attempts may be one more for each that was cut off, as nobody has seen how that ended.
 */
import { runPaths } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import { replayBundle } from "../../capture/replay/replay_bundle.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import { Supervisor } from "../../supervisor/driver/supervisor.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import { inspectRun } from "../inspect/inspect_run.ts";
import { isNote } from "../inspect/problem.ts";
import { readProcesses } from "../process/process_log.ts";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import { readRunLog } from "../../run/engine/run_log.ts";
import { counted } from "../text/printable.ts";
import type { Cut, MadeAttempt } from "./cuts.ts";
import { compareEffects, type Effects, readEffects } from "./effects.ts";

/** What a node came to. */
interface NodeOutcome {
  /** In a word. */
  status: string;
  /** How many attempts were begun. */
  attempts: number;
  /** How many of them were cut off. */
  cutOff: number;
  /** What the last attempt that ended by itself gave: its outputs and its result, each as a digest or as JSON. */
  gave: Readonly<Record<string, unknown>>;
}

/** What a run came to. */
export interface Outcome {
  /** How it ended: `Completed`, or why it did not. */
  state: string;
  /** Its nodes or steps. */
  nodes: ReadonlyMap<string, NodeOutcome>;
  /** All attempts that were begun, in the order in which they ended. */
  attempts: readonly MadeAttempt[];
  /** What it gave as a whole, as JSON. */
  output: string;
  /** The files that it left. */
  effects: Effects;
  /** What is wrong in its records, each in words. */
  problems: readonly string[];
}

/** One thing in which what a run came to differs from another. */
export interface Difference {
  /** Of what kind it is. */
  what: "state" | "node" | "attempts" | "output" | "result" | "effect" | "records";
  /** Tells it from others of its kind. */
  key: string;
  /** Both, in words. */
  text: string;
}

/** The members of the record of an end that say what it gave, and what people call them. */
const GIVEN = {
  output_hash: "printed something else",
  error_hash: "printed something else to stderr",
  result: "gave another result",
  result_hash: "gave another result",
} as const;

/** Reads what a run came to. */
export async function readOutcome(
  run: { root: string; runId: string },
  files: { folder: string; effects: readonly string[] },
): Promise<Outcome> {
  const { root, runId } = run;
  const { fold } = readRunLog(root, runId);
  const processes = readProcesses(run);
  const recovered = await recoverCapture(runPaths(root, runId).journal);
  const attempts: MadeAttempt[] = [];
  const given = new Map<string, Record<string, unknown>>();
  const cutOff = new Map<string, number>();
  const { bundle } = recovered;
  const notes = "notes" in bundle ? bundle.notes ?? [] : [];
  const waits = new Set(notes.flatMap((note) => note.type === "wait" ? note.id : []));
  const history = JournalHistory.of(recovered, fold, {
    onEnd: ({ nodeId, attempt, termination, end = {} }) => {
      // A wait is no work: a process may die at any time meanwhile.
      if (waits.has(nodeId)) return;
      attempts.push({
        nodeId,
        attempt,
        hasProcess: processes.has(attemptKey({ nodeId, attempt })),
      });
      if (termination === "Aborted") cutOff.set(nodeId, (cutOff.get(nodeId) ?? 0) + 1);
      else given.set(nodeId, { ...end });
    },
  });
  const { state, nodes } = fold.state();
  return {
    state: typeof state === "string" ? state : `aborted: ${state.Aborted.reason}`,
    nodes: new Map(nodes.map(({ id, status, skipped }) => {
      const word = typeof status === "string" ? status.toLowerCase() : "failed";
      return [id, {
        status: skipped === undefined ? word : "skipped",
        attempts: fold.attemptsOf(id).length,
        cutOff: cutOff.get(id) ?? 0,
        gave: given.get(id) ?? {},
      }];
    })),
    attempts,
    output: JSON.stringify(history.ended?.output) ?? "nothing",
    effects: await readEffects({ folder: files.folder, runId }, files.effects),
    problems: await problemsOf(run, recovered),
  };
}

/** What is wrong in the records of a run, or in what its supervisor has decided. */
async function problemsOf(
  { root, runId }: { root: string; runId: string },
  { bundle }: Pick<Awaited<ReturnType<typeof recoverCapture>>, "bundle">,
): Promise<string[]> {
  const problems = (await inspectRun({ root, runs: openFileRoot(root) }, runId)).filter((problem) =>
    !isNote(problem)
  );
  const texts = problems.map(({ kind, message }) => `its records are damaged: ${kind}: ${message}`);
  const replay = await replayBundle(bundle, {
    createSupervisor: (ports: ConstructorParameters<typeof Supervisor>[0]) => new Supervisor(ports),
  }).catch((error) => reasonOf(error));
  if (typeof replay === "string") texts.push(`it cannot be replayed: ${replay}`);
  else if (!replay.ok) {
    texts.push(`its replay goes otherwise at ${counted(replay.divergences.length, "place")}`);
  }
  return texts;
}

/** In what a run differs from one that was not cut off. */
export function differencesOf(expected: Outcome, found: Outcome, cut?: Cut): Difference[] {
  const differences: Difference[] = [];
  const add = (what: Difference["what"], key: string, text: string) => {
    differences.push({ what, key: `${what} ${key}`, text });
  };
  for (const problem of found.problems) add("records", problem, problem);
  if (found.state !== expected.state) {
    add("state", "", `the run has ended otherwise: ${found.state} instead of ${expected.state}`);
  }
  for (const id of new Set([...expected.nodes.keys(), ...found.nodes.keys()])) {
    compareNodes(id, [expected.nodes.get(id) ?? NONE, found.nodes.get(id) ?? NONE], { add, cut });
  }
  if (found.output !== expected.output) add("output", "", "the run gave something else");
  for (const { path, of, text } of compareEffects(expected.effects, found.effects)) {
    add("effect", `${path} ${of}`, text);
  }
  return differences;
}

const NONE: NodeOutcome = { status: "unknown", attempts: 0, cutOff: 0, gave: {} };

function compareNodes(
  id: string,
  [expected, found]: readonly [NodeOutcome, NodeOutcome],
  { add, cut }: {
    add: (what: Difference["what"], key: string, text: string) => void;
    cut: Cut | undefined;
  },
): void {
  if (found.status !== expected.status) {
    add("node", id, `${id} is ${found.status} instead of ${expected.status}`);
  }
  // A command that was killed alone has failed, and that is no attempt that was cut off.
  const killed = cut?.kills === "command" && cut.nodeId === id ? 1 : 0;
  if (found.attempts > expected.attempts + found.cutOff + killed) {
    add("attempts", id, `${id} had ${found.attempts} attempts instead of ${expected.attempts}`);
  }
  for (const [member, text] of Object.entries(GIVEN)) {
    const [before, now] = [expected.gave[member], found.gave[member]];
    if (JSON.stringify(before) === JSON.stringify(now)) continue;
    const what = member.startsWith("result") ? "result" : "output";
    add(what, `${id} ${member}`, `${id} ${text}`);
  }
}

/**
 * Why a run may have come to something else, where its command alone was killed: that is a failure, and the
 * flow says what a failure means. Undefined where it may not.
 */
export function allowedBy(expected: Outcome, found: Outcome, cut: Cut): string | undefined {
  if (cut.kills !== "command") return undefined;
  const handlers = [...found.nodes].filter(([id, { attempts }]) =>
    attempts > 0 && expected.nodes.get(id)?.status === "skipped"
  ).map(([id]) => id);
  if (handlers.length > 0) return `what handles its failure ran: ${handlers.join(", ")}`;
  const isAllowed = found.state === "Completed" &&
    found.nodes.get(cut.nodeId)?.status === "failed";
  return isAllowed ? "it may fail" : undefined;
}
