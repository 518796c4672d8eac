/**
 * What going on with a run comes to: its flow as it is now, what of it is asked for, and what people should
 * know. Nothing is changed here.
 */
import { checkRegular } from "../../_internal/file_port.ts";
import { recoverCapture } from "../../capture/session/recover_capture.ts";
import type { JournalHistory } from "../../run/engine/journal_history.ts";
import { StoppedError, UsageError } from "../exit_codes.ts";
import { lookAt } from "../files.ts";
import { type Flow, type FlowNode, partNotes } from "../flow/flow.ts";
import { type FlowChanges, flowChanges } from "../flow/flow_changes.ts";
import {
  flowOfRecord,
  type FlowRecord,
  FlowRecordError,
  readFlowRecord,
} from "../flow/flow_record.ts";
import type { DigestKey, ValueDigests } from "../flow/value_digests.ts";
import { digestsOf, secretNotes, withSecrets } from "../flow/secrets.ts";
import { flowOfCapture, isOfCommands } from "../flow/node_event.ts";
import { readFlow } from "../flow/read_flow.ts";
import { selectNodes } from "../flow/select_nodes.ts";
import { commandHint } from "../reading/find_run.ts";
import type { RunPlace } from "../reading/open_root.ts";
import { listed } from "../text/printable.ts";
import { ResumeError } from "./errors.ts";
import { findStanding, type StandingNodes } from "./standing_nodes.ts";

/** What the user says of the flow of a run that is gone on with. */
export interface FlowChoice {
  /** Where the flow file is now, if it is no longer where it was. */
  flowPath: string | undefined;
  /** Nodes whose recorded end is kept though they have changed. */
  accept: readonly string[];
  /** Nodes that are asked for anew though they have completed. */
  rerun: readonly string[];
  /** Whether nothing is asked for that was never begun. */
  failedOnly: boolean;
  /** Further variables whose values are kept out of all records. */
  masks: readonly string[];
}

/** What is gone on with. */
export interface ResumePlan {
  /** The flow as it is now, under the constraints with which the run began. */
  flow: Flow;
  /** The nodes that may run. */
  open: FlowNode[];
  /** The nodes that are other ones now. */
  changed: readonly string[];
  /** Nodes that are asked for anew though they have completed. */
  rerun: ReadonlySet<string>;
  /** The only nodes that are asked for; all when undefined. */
  wanted: ReadonlySet<string> | undefined;
  /** What people should know. */
  notes: readonly string[];
  /** The digests of the values of its variables. */
  digests: ValueDigests | undefined;
}

/** Why this cannot start a program. */
const OF_PROGRAM =
  "it is the run of a program, which has not recorded by what it is started: start " +
  'that again, it goes on with the run by its runId, or by resume: "newest"; with "command" among ' +
  "the options of openRun or durable this verb starts it";

type Resumed = FlowChoice & RunPlace & {
  runId: string;
  digestKey: () => Promise<DigestKey>;
};

/**
 * Plans how to go on with a run; `history`: what its journal has, undefined when nothing was decided.
 *
 * @throws {ResumeError} When the flow is another one in what has completed.
 */
export async function planResume(
  options: Resumed,
  history: JournalHistory | undefined,
): Promise<ResumePlan> {
  const { runId, accept, failedOnly } = options;
  const record = await keptFlow(options);
  const masks = [...record.secret ?? [], ...options.masks];
  const given = await withSecrets(selectNodes(await findFlow(options, record), record), masks);
  const flow = { ...given, constraints: record.constraints };
  const ids = flow.nodes.map(({ id }) => id);
  checkKnown("rerun", options.rerun, ids);
  // What a node that is gone came to may be kept, too.
  checkKnown("accept", accept, [...ids, ...record.nodes.map(({ id }) => id)]);
  const completed = history?.completed ?? new Set();
  const wanted = failedOnly ? history?.begun ?? new Set<string>() : undefined;
  const standing = findStanding(flow, { history, accept, rerun: options.rerun, wanted });
  const { stands, rerun } = standing;
  const digests = await digestsOf(given, options.digestKey);
  const changes = flowChanges(record, given, digests);
  const isKept = (id: string) => completed.has(id) && stands(id);
  refuseChanges(changes, { runId, isKept, accept });
  const open = flow.nodes.filter(({ id }) => !stands(id));
  refuseMasked(open, runId);
  const changed = [...changes.changed.keys(), ...changes.gone, ...changes.added];
  return {
    flow,
    open,
    changed,
    rerun,
    wanted,
    notes: [
      ...partNotes(flow),
      ...notesOn(changes, (id) => completed.has(id) || stands(id)),
      ...notesOnStanding(standing),
      ...secretNotes(flow),
    ],
    digests,
  };
}

/** What stood in the place of a secret is nowhere but in the flow. */
function refuseMasked(open: readonly FlowNode[], runId: string): void {
  const masked = open.find(({ run, recordedRun }) => recordedRun === run);
  if (masked === undefined) return;
  const problem = `the command of ${masked.id} had secret values, which are not recorded; ` +
    "run it anew";
  throw new ResumeError("no-flow", problem, { runId });
}

function notesOnStanding({ outdated, forgotten }: StandingNodes): string[] {
  const keeps = (id: string) => `--accept ${id} keeps what it came to`;
  return [
    ...outdated.map((id) => {
      return `node ${id} runs again, as what it needs was asked for again since; ${keeps(id)}`;
    }),
    ...[...forgotten].map(([id, need]) => {
      return `node ${id} is looked at again, as ${need} is, which it ran after; ${keeps(id)}`;
    }),
  ];
}

function checkKnown(option: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((id) => !known.includes(id));
  if (unknown === undefined) return;
  const problem = `Cannot use --${option} ${JSON.stringify(unknown)}`;
  throw new UsageError(`${problem}: the flow has ${listed([...new Set(known)])}`);
}

/** What has completed was another node: whether its end still stands only the user can tell. */
function refuseChanges(
  { changed, gone }: FlowChanges,
  { runId, isKept, accept }: {
    runId: string;
    isKept: (id: string) => boolean;
    accept: readonly string[];
  },
): void {
  const isRefused = (id: string) => isKept(id) && !accept.includes(id);
  const lost = gone.find(isRefused);
  if (lost !== undefined) {
    const problem = `node ${lost}, which has completed, is no longer in its flow: ` +
      `--accept ${lost} goes on without it`;
    throw new ResumeError("other-flow", problem, { runId });
  }
  const other = [...changed].find(([id]) => isRefused(id));
  if (other === undefined) return;
  const [id, what] = other;
  const problem =
    `node ${id}, which has completed, has another ${what} now: --accept ${id} keeps ` +
    `what it came to, --rerun ${id} runs it again and all that needs it`;
  throw new ResumeError("other-flow", problem, { runId });
}

function notesOn(
  { changed, gone, added, constraints, rules, values, areValuesUnknown }: FlowChanges,
  hasEnded: (id: string) => boolean,
): string[] {
  const notes: string[] = [];
  for (const [id, names] of values) {
    const how = hasEnded(id) ? "; it has completed, and that stands" : "";
    notes.push(`node ${id} is given another value of ${listed([...names])} than before${how}`);
  }
  if (areValuesUnknown) {
    notes.push("whether variables have other values now cannot be told: the root has another key");
  }
  for (const [id, what] of changed) {
    const how = hasEnded(id) ? "; what it came to before is kept, unless it runs again" : "";
    notes.push(`node ${id} has another ${what} than when the run began${how}`);
  }
  if (gone.length > 0) notes.push(`no longer in the flow: ${listed([...gone])}`);
  if (added.length > 0) notes.push(`new in the flow: ${listed([...added])}`);
  if (rules.length > 0) notes.push(`the flow has another ${listed([...rules])} now`);
  if (constraints.length > 0) {
    notes.push(
      `the constraints with which the run began hold: another ${
        listed([...constraints])
      } is not used`,
    );
  }
  return notes;
}

/** The flow that a run keeps; where it is gone or damaged it is said whether the journal has it. */
async function keptFlow({ root, view }: RunPlace): Promise<FlowRecord> {
  const { runId } = view;
  const run = { root, runId };
  let damage: FlowRecordError | undefined;
  const record = await readFlowRecord({ root, view }).catch((error) => {
    if (!(error instanceof FlowRecordError) || error.kind !== "damaged") throw error;
    damage = error;
  });
  if (record !== undefined) return record;
  const recovered = await recoverCapture(view.journal).catch(() => undefined);
  const isOfCommand = recovered && isOfCommands(recovered.bundle);
  // The command keeps the flow before it asks for anything.
  const hasNoFlow = isOfCommand === undefined && damage === undefined;
  if (recovered !== undefined && (isOfCommand === false || hasNoFlow)) {
    throw new ResumeError("no-command", OF_PROGRAM, { runId });
  }
  const isInJournal = recovered !== undefined &&
    await flowOfCapture(recovered.bundle) !== undefined;
  const repair = `${commandHint("repair", run)} makes it again from the journal`;
  if (damage !== undefined) {
    if (!isInJournal) throw damage;
    const { kind, message, details } = damage;
    throw new FlowRecordError(kind, `${message}; or ${repair}`, { details, cause: damage });
  }
  if (isInJournal) {
    throw new ResumeError("no-flow", `it has no flow.json: ${repair}`, { runId });
  }
  const problem = "it has no flow.json: it died before it began, or another program recorded it; " +
    "run its flow again";
  throw new ResumeError("no-flow", problem, { runId });
}

/** The flow with the values of its variables, which are in its file only. */
async function findFlow({ runId, flowPath }: Resumed, record: FlowRecord): Promise<Flow> {
  if (record.path === null) {
    if (flowPath === undefined) return await madeAgain(runId, record);
    throw new UsageError(`Cannot use --flow: ${runId} is the run of a command, not of a flow`);
  }
  const path = flowPath ?? record.path;
  const { args = [] } = record;
  const isGiven = flowPath !== undefined;
  const flow = await readRecordedFlow(path, { isGiven, args }).catch((cause) => {
    if (cause instanceof StoppedError) throw cause;
    const problem = `${cause.message}; name the flow that was run with --flow`;
    throw new ResumeError("other-flow", problem, { runId, cause });
  });
  if (flow.name === record.name) return flow;
  const problem = `${path} is not the flow that was run: its name is ${flow.name} instead of ` +
    `${record.name}; name the flow that was run with --flow, or run this one anew`;
  throw new ResumeError("other-flow", problem, { runId });
}

/** Tasks may have changed since; a command is what it was. */
async function madeAgain(runId: string, record: FlowRecord): Promise<Flow> {
  const kept = flowOfRecord(record);
  if (record.tasks === undefined) return kept;
  const { makeTaskFlow } = await import("../flow/tasks.ts");
  try {
    const { nodes } = makeTaskFlow(record.tasks, record.constraints);
    return { ...kept, nodes };
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    const problem = `its tasks cannot be read again: ${cause.message}`;
    throw new ResumeError("other-flow", problem, { runId, cause });
  }
}

/** What a person gives may be a pipe; what only a record names is not waited for. */
async function readRecordedFlow(
  path: string,
  { isGiven, args }: { isGiven: boolean; args: readonly string[] },
): Promise<Flow> {
  const info = isGiven ? undefined : lookAt(path);
  if (info !== undefined) checkRegular(path, info);
  return await readFlow(path, { args });
}
