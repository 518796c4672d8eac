/** A run whose workers are killed, frozen and cut off all the time: it completes, and is told as it was. */
import { assert, assertEquals } from "@std/assert";
import { startTaffrail } from "../cli/_command.ts";
import { textOf } from "../_util/files.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { clientOf } from "./_client.ts";
import { idIn, type Place, withPlace, writeFlowIn } from "./_place.ts";
import { type WorkerBlow, WorkStorm } from "./_work_storm.ts";

const NODES = longCount(60, 400);
const LEASE_MS = 5000;
/** Of so many nodes each row has, which need those of the row before: there is always something to do, and never all. */
const ROW = 10;

/** Each line of a file is an attempt that was begun; one beside another one at its node says so. */
const SCRIPT =
  'exec 9>>"lock.$TAFFRAIL_NODE_ID"; flock -n 9 || echo "$TAFFRAIL_NODE_ID" >>overlaps; ' +
  'echo "$TAFFRAIL_NODE_ID $TAFFRAIL_ATTEMPT" >>begun; sleep 0.4; echo "done $TAFFRAIL_ATTEMPT"';

const FLOW = {
  name: "storm",
  nodes: Object.fromEntries(Array.from({ length: NODES }, (_, n) => {
    return [`n${n}`, { sh: SCRIPT, needs: n < ROW ? [] : [`n${n - ROW}`] }];
  })),
  constraints: { max_in_flight: ROW + 2 },
};

Deno.test("a run completes while its workers are killed, frozen and cut off; nothing overlaps, nothing is recorded twice", () =>
  withPlace(async (place) => {
    const { cwd, env, command } = place;
    await writeFlowIn(cwd, FLOW);
    for (const name of ["begun", "overlaps"]) await Deno.writeTextFile(`${cwd}/${name}`, "");
    const linesOf = (name: string) => textOf(`${cwd}/${name}`).split("\n").slice(0, -1);
    const random = new Random(seed());
    await using storm = await WorkStorm.start(place, { leaseMs: LEASE_MS, random, victims: 3 });
    await using running = startTaffrail(["run", "flow.json", "--workers"], { cwd, env });
    const ended = running.end();
    let isOver = false;
    void ended.finally(() => isOver = true);
    for (let next = ROW; !isOver;) {
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 50))]);
      if (linesOf("begun").length < next) continue;
      storm.blow(random.pick<WorkerBlow>(["kill", "freeze", "cut"]));
      next += ROW;
    }
    const { code, stdout, stderr } = await ended;
    assertEquals(code, 0, stdout + stderr);
    const runId = idIn(stdout);
    const attempts = await attemptsOf(place, runId);
    const completed = attempts.filter(({ status }) => status === "Completed");
    assertEquals(completed.length, NODES);
    // What was begun is recorded, nothing was begun twice under one number, and nothing beside another attempt.
    const begun = linesOf("begun");
    const keys = new Set(attempts.map(({ key }) => key));
    assertEquals(begun.filter((key) => !keys.has(key)), []);
    assertEquals(new Set(begun).size, begun.length);
    assertEquals(linesOf("overlaps"), []);
    for (const verb of ["verify", "replay"]) {
      const { code, stdout, stderr } = await command(verb, runId);
      assertEquals(code, 0, `${verb}: ${stdout}${stderr}`);
    }
    const last = await command("logs", runId, `n${NODES - 1}`);
    assert(/done \d+\n$/.test(last.stdout), last.stdout);
    assertEquals(await jobsLeft(place), 0);
    const blows = Object.entries(storm.blows).map(([kind, count]) => `${count} × ${kind}`).join(
      ", ",
    );
    const [lost, again] = [attempts.length - NODES, begun.length - NODES];
    // deno-lint-ignore no-console -- how often something runs twice is what the test is about, too
    console.log(`${NODES} nodes, ${blows}: ${lost} attempts lost, ${again} begun again`);
  }));

/** All attempts of a run. */
async function attemptsOf(
  { command }: Place,
  runId: string,
): Promise<{ key: string; status: unknown }[]> {
  const { nodes } = JSON.parse((await command("show", runId, "--json")).stdout);
  return nodes.flatMap((node: { id: string; attempts: { attempt: number; status: unknown }[] }) => {
    return node.attempts.map(({ attempt, status }) => ({ key: `${node.id} ${attempt}`, status }));
  });
}

/** How many jobs are left of those that have ended. */
async function jobsLeft({ url }: Place): Promise<unknown> {
  const connection = await clientOf(url).connect();
  const [row] = await connection.query("select count(*)::int as count from taffrail.job");
  await connection.close();
  return row?.count;
}
