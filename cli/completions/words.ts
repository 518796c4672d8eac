/**
 * The words that shells ask for while somebody types: runs, nodes, gates and tasks. Whoever asks only wants to know
 * what there is, so nothing here fails: where something is missing or wrong, there are no words.
 */
import { partsOfRunId, timeOfUlid } from "../../_internal/root_layout.ts";
import { lookAt } from "../files.ts";
import type { RunStateWord } from "../reading/run_summary.ts";
import { chosenRoot, findRoot } from "../reading/find_root.ts";
import { isOfFiles, listRunIds, type OpenedRoot, openRoot } from "../reading/open_root.ts";
import { commandLine, fitTo, printableLine } from "../text/printable.ts";
import { formatAge } from "../text/units.ts";

/** A word that may stand somewhere, and what it means. */
export interface Word {
  word: string;
  /** In a few words; empty where the word says all. */
  about: string;
}

/** What is asked for. */
export interface Question {
  /** What is wanted: `runs`, `runs=orphan,aborted`, `nodes`, `gates`, `flow-nodes`, `flow-gates`, `tasks`. */
  kind: string;
  /** What was typed of it so far. */
  typed: string;
  /** The root; empty where none was typed. */
  root: string;
  /** The run or the flow file whose nodes or gates are wanted. */
  operand: string;
}

/** More words than this nobody looks through. */
const MOST_WORDS = 100;
/** Of so many runs the state is looked at. */
const MOST_RUNS = 400;
const MOST_ABOUT = 70;
/** A database that does not answer must not hold up who types. */
const LONGEST_WAIT_MS = 1000;

/**
 * The words for a question, the likeliest first.
 *
 * @param options.longestWaitMs How long a database may take.
 */
export async function wordsFor(
  question: Question,
  { longestWaitMs = LONGEST_WAIT_MS }: { longestWaitMs?: number } = {},
): Promise<Word[]> {
  const answer = Promise.withResolvers<Word[]>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const root = rootOf(question);
    if (!isOfFiles(root)) timer = setTimeout(answer.resolve, longestWaitMs, []);
    findWords({ ...question, root }).then(answer.resolve, () => answer.resolve([]));
    const words = (await answer.promise).filter(isPlain);
    const wanted = words.length <= MOST_WORDS
      ? words
      : words.filter(({ word }) => word.includes(question.typed)).slice(0, MOST_WORDS);
    return wanted.map(({ word, about }) => ({
      word,
      about: fitTo(printableLine(about), MOST_ABOUT),
    }));
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

function rootOf({ root }: Question): string {
  return chosenRoot(root === "" ? undefined : fromHome(root)) ?? findRoot(Deno.cwd());
}

/** What a shell would make of a path; it asks before it has done so. */
function fromHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, Deno.env.get("HOME") ?? "~");
}

/** Whether a terminal shows a word as it is, and no verb takes it for an option. */
function isPlain({ word }: Word): boolean {
  return word !== "" && !word.startsWith("-") && printableLine(word) === word;
}

async function findWords({ kind, typed, root, operand }: Question): Promise<Word[]> {
  const [what, states] = kind.split("=");
  if (what === "tasks") return await tasks();
  if (what === "flow-nodes" || what === "flow-gates") {
    return await nodesOfFlow(fromHome(operand), what === "flow-gates");
  }
  await using runs = await openRoot(root);
  const opened = { root, runs };
  switch (what) {
    case "runs":
      return await runsOf(opened, typed, states?.split(","));
    case "nodes":
      return await nodesOfRun(opened, operand);
    case "gates":
      return await gatesOfRun(opened, operand);
    default:
      return [];
  }
}

/** The flows of the newest runs, which stand for these, and then the runs. */
async function runsOf(
  opened: OpenedRoot,
  typed: string,
  states: readonly string[] | undefined,
): Promise<Word[]> {
  const { stateWordOf, summarizeSome } = await import("../reading/run_summary.ts");
  const { outcomeOf, outcomeText } = await import("../reading/run_outcome.ts");
  const ids = newestFirst(await listRunIds(opened.runs));
  const most = states === undefined ? MOST_WORDS : MOST_RUNS;
  const looked = (ids.length <= most ? ids : ids.filter((id) => id.includes(typed))).slice(0, most);
  const isMeant = (state: RunStateWord) => states?.includes(state) ?? true;
  const found = (await summarizeSome(opened, looked)).filter((run) => isMeant(stateWordOf(run)))
    .map((run) => {
      const { name, ulid } = partsOfRunId(run.run_id) ?? {};
      const age = ulid === undefined ? "" : `, ${formatAge(Date.now() - timeOfUlid(ulid))}`;
      return { word: run.run_id, name, about: `${outcomeText(outcomeOf(run)).text}${age}` };
    });
  const flows = new Map<string, Word>();
  for (const { name, about } of found) {
    if (name === undefined || flows.has(name)) continue;
    flows.set(name, { word: name, about: `the newest: ${about}` });
  }
  return [...flows.values(), ...found];
}

function newestFirst(ids: readonly string[]): string[] {
  const made = (id: string) => partsOfRunId(id)?.ulid ?? "";
  return ids.toSorted((a, b) => made(a) === made(b) ? 0 : made(a) < made(b) ? 1 : -1);
}

async function nodesOfRun(opened: OpenedRoot, operand: string): Promise<Word[]> {
  const { findRun } = await import("../reading/find_run.ts");
  const { readFlowRecord } = await import("../flow/flow_record.ts");
  const view = opened.runs.view(await findRun(opened, operand));
  const record = await readFlowRecord({ root: opened.root, view });
  if (record !== undefined) return record.nodes.map(wordOfNode);
  const { readLogOf } = await import("../../run/engine/run_log.ts");
  const { fold } = await readLogOf(view);
  return Array.from(fold.nodes(), ({ id, status }) => {
    return { word: id, about: typeof status === "string" ? status.toLowerCase() : "failed" };
  });
}

/** The gates that were not passed so far, those first at which the run waits. */
async function gatesOfRun(opened: OpenedRoot, operand: string): Promise<Word[]> {
  const { findRun } = await import("../reading/find_run.ts");
  const { readFlowRecord } = await import("../flow/flow_record.ts");
  const { readRunHistory } = await import("../reading/run_history.ts");
  const view = opened.runs.view(await findRun(opened, operand));
  const { fold, program } = await readRunHistory(view);
  if (program !== undefined) {
    return program.waits.filter(({ kind }) => kind === "gate")
      .map(({ id }) => ({ word: id, about: "the run waits there" }));
  }
  const record = await readFlowRecord({ root: opened.root, view });
  const statuses = new Map(Array.from(fold.nodes(), ({ id, status }) => [id, status]));
  const gates = (record?.nodes ?? []).filter(({ id, gate }) => {
    return gate !== undefined && statuses.get(id) !== "Completed";
  });
  const isAsked = ({ id }: { id: string }) => statuses.get(id) === "Running";
  return [...gates.filter(isAsked), ...gates.filter((gate) => !isAsked(gate))].map(wordOfNode);
}

/** A program is not evaluated, only because somebody presses a key. */
async function nodesOfFlow(path: string, isOfGates: boolean): Promise<Word[]> {
  if (!lookAt(path)?.isFile) return [];
  const { readFlow } = await import("../flow/read_flow.ts");
  const { nodes } = await readFlow(path);
  return nodes.filter(({ gate }) => !isOfGates || gate !== undefined).map(wordOfNode);
}

async function tasks(): Promise<Word[]> {
  const { taskFilesFor } = await import("../flow/tasks.ts");
  const files = taskFilesFor({ names: [], arguments: [], cwd: Deno.cwd() });
  const found = new Map<string, Word>();
  for (const { tasks } of files) {
    for (const { name, description, command } of tasks.values()) {
      if (found.has(name) || name.includes(",")) continue;
      found.set(name, { word: name, about: description ?? command ?? "" });
    }
  }
  return [...found.values()];
}

/** A node of a flow, and what it is for. */
function wordOfNode(
  { id, description, gate, run }: {
    id: string;
    description?: string;
    gate?: string;
    run: readonly string[];
  },
): Word {
  return { word: id, about: description ?? gate ?? commandLine(run) };
}
