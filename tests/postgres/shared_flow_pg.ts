/** Flows of which workers make attempts: what the holder of a run makes of their answers, and of their loss. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openDatabase } from "../../cli/postgres/open_database.ts";
import { startTaffrail } from "../cli/_command.ts";
import { untilExists } from "../cli/_runs.ts";
import { textOf } from "../_util/files.ts";
import { idIn, type Place, withPlace, writeFlowIn } from "./_place.ts";

/** Starts a worker; it is at work when this resolves. */
async function startWorker({ cwd, env }: Place, ...args: string[]) {
  const running = startTaffrail(["work", ...args], { cwd, env });
  await running.stderr.find(/^worker /);
  return running;
}

interface ShownAttempt {
  attempt: number;
  status: string | object;
}

/** What `show` says of the attempts of the nodes. */
async function attemptsOf(
  { command }: Place,
  runId: string,
): Promise<Record<string, string[]>> {
  const { nodes } = JSON.parse((await command("show", runId, "--json")).stdout);
  const inWords = ({ attempt, status }: ShownAttempt) => {
    return `${attempt} ${typeof status === "string" ? status : Object.keys(status)[0]}`;
  };
  return Object.fromEntries(
    nodes.map(({ id, attempts }: { id: string; attempts: ShownAttempt[] }) => {
      return [id, attempts.map(inWords)];
    }),
  );
}

Deno.test("nodes that ask for a worker run there, the others here, and each finds what others print", () =>
  withPlace(async (place) => {
    const { cwd, command } = place;
    await Deno.writeTextFile(`${cwd}/.env`, "FROM_FILE=here\n");
    await Deno.mkdir(`${cwd}/elsewhere`);
    await Deno.writeTextFile(`${cwd}/elsewhere/.env`, "FROM_FILE=there\n");
    await writeFlowIn(cwd, {
      name: "shared",
      env_file: ".env",
      env: { LITERAL: "said" },
      nodes: {
        here: { sh: "echo $FROM_FILE; basename $PWD" },
        there: {
          sh: 'cat "$TAFFRAIL_OUTPUT_HERE"; echo $FROM_FILE $LITERAL; basename $PWD',
          needs: ["here"],
          on: ["gpu"],
        },
        back: { sh: 'cat "$TAFFRAIL_OUTPUT_THERE"', needs: ["there"] },
        nothing: { sh: "exit 3", on: [], allow_failure: true },
      },
    });
    await using _worker = await startWorker(
      ...[place, "--label", "gpu", "--cwd", "elsewhere", "--env-file", "elsewhere/.env"] as const,
    );
    const ran = await command("run", "flow.json");
    assertEquals([ran.code, ran.stderr], [0, ""]);
    const runId = idIn(ran.stdout);
    const lines = (await command("logs", runId, "back")).stdout.replaceAll(/^back \| /gm, "");
    assertEquals(lines.split("\n"), [
      ...["here", cwd.split("/").at(-1), "there said", "elsewhere", ""],
    ]);
    for (const verb of ["verify", "replay"]) {
      const { code, stderr } = await command(verb, runId);
      assertEquals([verb, code, stderr], [verb, 0, ""]);
    }
    const connected = await command("ls", "--json");
    assertStringIncludes(connected.stdout, runId);
  }));

Deno.test("with --workers all nodes run on workers, and retries and failures are the flow's", () =>
  withPlace(async (place) => {
    const { cwd, command } = place;
    await writeFlowIn(cwd, {
      name: "all",
      nodes: {
        flaky: { sh: "[ $TAFFRAIL_ATTEMPT = 3 ]", retry: { max: 2 } },
        bad: { sh: "exit 4", needs: ["flaky"], retry: { max: 3, not_on: [4] } },
        missing: { run: ["no-such-program"], needs: ["flaky"] },
      },
      on_failure: "keep_going",
    });
    await using _worker = await startWorker(place);
    const ran = await command("run", "flow.json", "--workers");
    assertEquals(ran.code, 1);
    assertMatch(ran.stdout, /no-such-program", which is not on the PATH/);
    assertEquals(await attemptsOf(place, idIn(ran.stdout)), {
      flaky: ["1 Failed", "2 Failed", "3 Completed"],
      bad: ["1 Failed"],
      missing: ["1 Failed"],
    });
  }));

Deno.test("a node whose worker is killed is made again by another one, and that is told", () =>
  withPlace(async (place) => {
    const { cwd, env, command } = place;
    const lost = await startWorker(place, "--lease", "2s", "--name", "lost");
    await writeFlowIn(cwd, {
      name: "lost",
      nodes: { a: { sh: "echo $TAFFRAIL_ATTEMPT >>ran; [ -e go ] || exec sleep 600" } },
    });
    await using running = startTaffrail(["run", "flow.json", "--workers"], { cwd, env });
    const runId = idIn(await running.stdout.find(/^run_id=/));
    await untilExists(cwd, "ran");
    lost.kill("SIGKILL");
    await lost.end();
    await Deno.writeTextFile(`${cwd}/go`, "");
    await using _other = await startWorker(place);
    const { code, stdout, stderr } = await running.end();
    assertEquals(code, 0, stderr);
    assertStringIncludes(`${stdout}${stderr}`, "lost was lost in the middle of attempt 1");
    assertEquals(await attemptsOf(place, runId), { a: ["1 Failed", "2 Completed"] });
    assertEquals(textOf(`${cwd}/ran`), "1\n2\n");
    assertEquals((await command("replay", runId)).code, 0);
  }));

Deno.test("what a killed holder has left to workers is ended before its run is gone on with", () =>
  withPlace(async (place) => {
    const { cwd, env, url, command } = place;
    await using _worker = await startWorker(place, "--slots", "1", "--name", "one");
    const sh = "echo $TAFFRAIL_NODE_ID $TAFFRAIL_ATTEMPT >>ran; " +
      "[ $TAFFRAIL_ATTEMPT != 1 ] || exec sleep 600";
    await writeFlowIn(cwd, { name: "left", nodes: { a: { sh }, b: { sh } } });
    const args = ["run", "flow.json", "--workers", "--grace", "1s"];
    const running = startTaffrail(args, { cwd, env });
    const runId = idIn(await running.stdout.find(/^run_id=/));
    await untilExists(cwd, "ran");
    running.kill("SIGKILL");
    await running.end();
    const resumed = await command("resume", runId, "--workers");
    assertEquals(resumed.code, 0, resumed.stderr);
    assertMatch(`${resumed.stdout}${resumed.stderr}`, /ending what one makes of [ab], attempt 1/);
    // One of them was begun twice, as it was cut off.
    const ran = textOf(`${cwd}/ran`).split("\n").slice(0, -1);
    assertEquals([ran.length, ran[0]!.slice(1)], [3, " 1"]);
    assertEquals((await command("verify", runId)).code, 0);
    assertEquals((await command("replay", runId)).code, 0);
    await using root = await openDatabase(url);
    await using held = await root.hold(runId);
    await root.queue!(held).endLeft(() => {
      throw new Error("a job is left");
    });
  }));

Deno.test("a directory has no workers: nodes that ask for one run here, and that is told", () =>
  withPlace(async ({ cwd, command }) => {
    await writeFlowIn(cwd, { name: "here", nodes: { a: { sh: "true", on: ["gpu"] } } });
    const ran = await command("run", "flow.json", "--root", "files");
    assertEquals(ran.code, 0);
    assertStringIncludes(`${ran.stdout}${ran.stderr}`, "a is for a worker with gpu, and runs here");
    const refused = await command("run", "flow.json", "--root", "files", "--workers");
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, "a directory has none");
  }));
