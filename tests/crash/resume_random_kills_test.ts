import { assert, assertEquals } from "@std/assert";
import { recoverCapture, type RecoveredCapture } from "../../capture/mod.ts";
import { listProcesses, readEnvironment } from "../../cli/process/processes.ts";
import { peekRun, verifyRun } from "../../eventlog/mod.ts";
import { RunFold } from "../../eventlog/derive_run_state.ts";
import { JournalHistory } from "../../run/engine/journal_history.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { isThere } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { type Ended, type RunningProcess, startTaffrail, taffrail } from "../cli/_command.ts";
import { type AnyEvent, eventsOf, onlyRun } from "../cli/_runs.ts";
import { checkWorkers } from "../run/_records.ts";

/**
 * A flow in real processes is killed at random moments, and resumed until it is done: the supervisor
 * alone, whose children live on, or with every child. Nothing waits for a time that has to be right:
 * a kill comes after a number of lines, and a moment more.
 */

const NODES = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, "0")}`);
/** Every fifth node fails so often before it succeeds. */
const FAILURES = 2;

/**
 * What a node does: it says that it starts, works, and says that it ends. The lock is that of its
 * processes, all of them; whoever finds it taken runs at the same time as another attempt.
 */
const SCRIPT = `
file="effects/$TAFFRAIL_NODE_ID"
exec 9>>"$file.lock"
flock -n 9 || { echo "overlap $TAFFRAIL_ATTEMPT $$" >> "$file"; exit 9; }
echo "start $TAFFRAIL_ATTEMPT $$" >> "$file"
sleep "$1"
if test "$(grep -c ^start "$file")" -le "$2"; then echo "fail $TAFFRAIL_ATTEMPT $$" >> "$file"; exit 1; fi
echo "end $TAFFRAIL_ATTEMPT $$" >> "$file"
`;

async function writeFlow(cwd: string, random: Random): Promise<void> {
  await Deno.mkdir(`${cwd}/effects`);
  await Deno.writeTextFile(`${cwd}/node.sh`, SCRIPT);
  const nodes = NODES.map((id, index) => {
    const earlier = NODES.slice(Math.max(0, index - 6), index);
    const needs = new Set(earlier.filter(() => random.chance(0.25)));
    const seconds = (random.below(80) / 1000).toFixed(3);
    const failures = index % 5 === 0 ? FAILURES : 0;
    return [id, { run: ["sh", "node.sh", seconds, String(failures)], needs: [...needs] }];
  });
  const constraints = {
    max_in_flight: 4,
    max_retries: 3,
    max_per_window: 8,
    rate_window: "150ms",
  };
  const flow = { name: "flow", nodes: Object.fromEntries(nodes), constraints };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

/** A run below a directory. */
interface Run {
  cwd: string;
  root: string;
  random: Random;
}

/** Starts the flow and goes on with it until it is done; tells how often it was killed. */
async function runToEnd({ cwd, root, random }: Run, mostKills: number): Promise<number> {
  let args = ["run", "flow.json"];
  for (let kills = 0;; kills++) {
    await using command = startTaffrail(args, { cwd });
    const end = kills < mostKills ? await killAtRandom(command, cwd, random) : await command.end();
    if (end.signal !== "SIGKILL") {
      // Killed behind the last line of its journal it is done, and only its log does not say so.
      const isLogCut = end.stderr.includes("its journal says that it has completed");
      if (isLogCut) assertEquals((await taffrail(["repair", "flow"], { cwd })).code, 0);
      else assertEquals(end.code, 0, `${args.join(" ")}: ${end.stdout}${end.stderr}`);
      return kills;
    }
    const runId = await onlyRun(root).catch(() => "none");
    // It may have been killed when it had said that it was done; then nobody goes on with the store.
    if (await hasEnded({ root, runId })) {
      await catchUp({ root, runId });
      return kills + 1;
    }
    if (isThere(`${root}/runs/${runId}/flow.json`)) args = ["resume", "flow"];
    // Killed before there was anything to resume, it is begun anew.
    else if (isThere(root)) await Deno.remove(root, { recursive: true });
  }
}

async function hasEnded({ root, runId }: { root: string; runId: string }): Promise<boolean> {
  if (!isThere(`${root}/runs/${runId}/events.jsonl`)) return false;
  return JSON.stringify(await peekRun(root, runId)).includes('"pipe.completed"');
}

/** Has the store take what the log has. */
async function catchUp({ root, runId }: { root: string; runId: string }): Promise<void> {
  await using workers = await RunWorkers.open({ root, runId, name: "flow" });
  for (const event of eventsOf(root, runId)) await workers.take(event);
}

/** Kills a command after some lines, and half the times what it has started, too. */
async function killAtRandom(
  command: RunningProcess,
  cwd: string,
  random: Random,
): Promise<Ended> {
  const lines = random.below(40);
  const { stdout } = command;
  await stdout.until(() => stdout.isOver || stdout.lines.length >= lines);
  await new Promise((resolve) => setTimeout(resolve, random.below(lines === 0 ? 500 : 30)));
  command.kill("SIGKILL");
  const end = await command.end();
  if (end.signal === "SIGKILL" && random.chance(0.5)) await killChildren(cwd);
  return end;
}

/** Kills what runs in the name of the run: each process that has its root in its environment. */
async function killChildren(cwd: string): Promise<void> {
  const own = (pid: number) => readEnvironment(pid).includes(`TAFFRAIL_ROOT=${cwd}/.taffrail`);
  for (const { pid } of listProcesses()!.filter(({ pid }) => own(pid))) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch { /* It has ended. */ }
  }
  await Promise.resolve();
}

/** What the nodes have written: `start`, `fail` and `end`, with the attempt. */
async function effectsOf(cwd: string): Promise<Map<string, { what: string; attempt: number }[]>> {
  const effects = new Map<string, { what: string; attempt: number }[]>();
  for (const id of NODES) {
    const text = await Deno.readTextFile(`${cwd}/effects/${id}`);
    effects.set(
      id,
      text.trimEnd().split("\n").map((line) => {
        const [what = "", attempt] = line.split(" ");
        return { what, attempt: Number(attempt) };
      }),
    );
  }
  return effects;
}

/** How each attempt ended as the journal has it, by `node attempt`. */
function endsIn(recovered: RecoveredCapture): Map<string, string> {
  const ends = new Map<string, string>();
  JournalHistory.of(recovered, new RunFold(), {
    onEnd: ({ nodeId, attempt, termination }) => {
      ends.set(`${nodeId} ${attempt}`, JSON.stringify(termination));
    },
  });
  return ends;
}

const KINDS: Record<string, string> = {
  "node.completed": '"Completed"',
  crash: '{"Failed":"RuntimeError"}',
  cancelled: '"Aborted"',
};

/** The log has one begin and one end of each attempt that the nodes told of, as in the journal. */
function checkLog(events: AnyEvent[], ends: Map<string, string>, started: Set<string>): void {
  const keyOf = ({ node_id, attempt }: AnyEvent) => `${node_id} ${attempt}`;
  const begun = events.filter(({ type }) => type === "node.started").map(keyOf);
  assertEquals(new Set(begun).size, begun.length);
  for (const key of started) assert(begun.includes(key), `${key} has no begin in the log`);
  const ended = events.filter(({ type }) => type === "node.completed" || type === "node.failed");
  assertEquals(ended.map(keyOf).toSorted(), begun.toSorted());
  for (const event of ended) {
    const kind = event.error?.cancelled ? "cancelled" : event.error?.kind ?? event.type;
    assertEquals(KINDS[kind], ends.get(keyOf(event)), keyOf(event));
  }
}

/** All that must hold of a run that was killed and resumed, and is done. */
async function checkRun({ cwd, root }: Run): Promise<void> {
  const runId = await onlyRun(root);
  const recovered = await recoverCapture(`${root}/runs/${runId}/capture.jsonl`);
  assertEquals([recovered.damage, recovered.ended?.state], [null, "Completed"]);
  const ends = endsIn(recovered);
  const effects = await effectsOf(cwd);
  const started = new Set<string>();
  for (const [id, lines] of effects) {
    const starts = lines.filter(({ what }) => what === "start").map(({ attempt }) => attempt);
    assertEquals(lines.filter(({ what }) => what === "overlap"), [], `${id} ran twice at a time`);
    // No attempt is made twice, whether its end was acknowledged or not.
    assertEquals(new Set(starts).size, starts.length, `${id} made an attempt twice`);
    starts.forEach((attempt) => started.add(`${id} ${attempt}`));
    const last = starts.at(-1)!;
    for (const [key, end] of ends) {
      const [node, attempt] = key.split(" ");
      if (node !== id || end !== '"Completed"') continue;
      assertEquals(Number(attempt), last, `${id} ran again after it had completed`);
    }
    assert(lines.some(({ what, attempt }) => what === "end" && attempt === last));
  }
  checkLog(eventsOf(root, runId), ends, started);
  assertEquals(await verifyRun(root, runId).then(({ problems }) => problems), []);
  const shown = JSON.parse((await taffrail(["show", "--json", "flow"], { cwd })).stdout);
  assertEquals([shown.state, shown.is_live, shown.damaged_lines], ["Completed", false, 0]);
  for (const { id, status, attempt, attempts } of shown.nodes) {
    const last = effects.get(id)!.findLast(({ what }) => what === "start")!.attempt;
    assertEquals([id, status, attempt], [id, "Completed", last]);
    checkAttempts(effects.get(id)!, attempts);
  }
  await checkWorkers({ root, runId });
  // Log, journal, bundle, trace and store.
  for (const verb of ["verify", "replay"]) {
    const { code, stdout, stderr } = await taffrail([verb, "flow"], { cwd });
    assertEquals(code, 0, `${verb}: ${stdout}${stderr}`);
  }
}

/** What is shown of the attempts at a node agrees with what those have written. */
function checkAttempts(
  effects: { what: string; attempt: number }[],
  shown: { attempt: number; status: unknown; exit_code?: number }[],
): void {
  // One that was decided on and cut off before its begin was recorded uses up its number.
  const numbers = shown.map(({ attempt }) => attempt);
  assertEquals(numbers, [...new Set(numbers)].toSorted((a, b) => a - b));
  for (const { attempt, status, exit_code: code } of shown) {
    const last = effects.findLast((effect) => effect.attempt === attempt)?.what;
    if (status === "Completed") assertEquals(last, "end");
    // One that failed by itself has said so; any other was cut off, wherever it was.
    if (code !== undefined && code !== 0) assertEquals([last, code], ["fail", 1]);
  }
  for (const { attempt } of effects) assert(numbers.includes(attempt));
}

Deno.test({
  name: "a flow that is killed at random moments and resumed is done once (issue 6)",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const wanted = longCount(4, 100);
    let kills = 0;
    for (let index = 0; kills < wanted; index++) {
      const random = new Random(mixSeeds(seed(), index));
      const most = Math.min(wanted - kills, 1 + random.below(6));
      await withMemoryDir(async (cwd) => {
        const run = { cwd, root: `${cwd}/.taffrail`, random };
        try {
          await writeFlow(cwd, random);
          kills += await runToEnd(run, most);
          await checkRun(run);
        } catch (cause) {
          throw new Error(`Flow ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
        } finally {
          await killChildren(cwd);
        }
      });
    }
  },
});
