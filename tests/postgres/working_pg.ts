/** The verbs that work on runs, on a database: real processes, killed, stopped, and gone on with elsewhere. */
import { listProcesses } from "../../cli/process/processes.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openDatabase } from "../../cli/postgres/open_database.ts";
import { openFileRoot } from "../../run/mod.ts";
import type { RunsRoot } from "../../run/types.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "../cli/_command.ts";
import { namesIn } from "../_util/files.ts";
import { idIn, withPlace, writeFlowIn as writeFlow } from "./_place.ts";

Deno.test("a flow runs on a database: its commands find outputs and the root, and no password", () =>
  withPlace(async ({ cwd, url, command, env }) => {
    await writeFlow(cwd, {
      name: "flow",
      nodes: {
        gen: { sh: "echo made" },
        none: { sh: "true" },
        use: {
          sh: 'cat "$TAFFRAIL_OUTPUT_GEN" "$TAFFRAIL_OUTPUT_NONE"; echo "$TAFFRAIL_ROOT"; ' +
            'echo "password=${PGPASSWORD-unset} ${PGPASSFILE-unset}"',
          needs: ["gen", "none"],
        },
      },
    });
    const options = { cwd, env: { ...env, PGPASSWORD: "secret" } };
    const ran = await taffrail(["run", "flow.json"], options);
    assertEquals([ran.code, ran.stderr], [0, ""]);
    const runId = idIn(ran.stdout);
    const logs = await command("logs", runId, "use");
    const printed = logs.stdout.replaceAll(/^use \| /gm, "");
    assertEquals(printed, `made\n${url}\npassword=unset unset\n`);
    const shown = JSON.parse((await command("show", runId, "--json")).stdout);
    assertEquals(shown.state, "Completed");
    const verified = await command("verify", runId);
    assertEquals([verified.code, verified.stderr], [0, ""]);
    assertEquals((await command("replay", runId)).code, 0);
    const again = await command("resume", runId);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "it has completed");
    // Nothing was made here.
    assertEquals(namesIn(cwd), ["flow.json"]);
  }));

Deno.test("exec on a database exits as its command did, and passes input and output through", () =>
  withPlace(async ({ cwd, env, command }) => {
    await using running = startTaffrail(["exec", "--", "sh", "-c", "cat; exit 3"], { cwd, env });
    await running.write("hello\n");
    await running.closeInput();
    const { code, stdout, stderr } = await running.end();
    assertEquals([code, stdout], [3, "hello\n"]);
    const logs = await command("logs", idIn(stderr));
    assertEquals([logs.code, logs.stdout], [0, "sh | hello\n"]);
  }));

const CHAIN = {
  name: "chain",
  nodes: {
    first: { sh: "echo first >>effects" },
    second: {
      sh: "echo begun $TAFFRAIL_ATTEMPT >>effects; [ -e go ] || sleep 60",
      needs: ["first"],
    },
    third: { sh: "echo third >>effects", needs: ["second"] },
  },
};

/** Waits until a file has a line. */
async function untilLine(path: string, line: string): Promise<void> {
  for (;;) {
    const text = await Deno.readTextFile(path).catch(() => "");
    if (text.split("\n").includes(line)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test({
  name:
    "a flow that is killed goes on from the database: what is left here is ended, what completed stands",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withPlace(async ({ cwd, env, command }) => {
      await writeFlow(cwd, CHAIN);
      await using running = startTaffrail(["run", "flow.json"], { cwd, env });
      const runId = idIn(await running.stdout.find(/^run_id=/));
      await untilLine(`${cwd}/effects`, "begun 1");
      const live = await command("resume", runId);
      assertEquals(live.code, 1);
      assertStringIncludes(live.stderr, "still being worked on by process");
      running.kill("SIGKILL");
      await running.end();
      await Deno.writeTextFile(`${cwd}/go`, "");
      const resumed = await command("resume", runId);
      assertEquals(resumed.code, 0);
      assertStringIncludes(resumed.stderr, "ending what is left of second");
      assertEquals(await Deno.readTextFile(`${cwd}/effects`), "first\nbegun 1\nbegun 2\nthird\n");
      assertEquals((await command("verify", runId)).code, 0);
      assertEquals((await command("replay", runId)).code, 0);
    }),
});

/** Another machine, by its name. */
const ELSEWHERE = 'unshare --uts --map-root-user sh -c \'hostname elsewhere; exec "$@"\' sh "$@"';

async function canBeElsewhere(): Promise<boolean> {
  const args = ["-c", ELSEWHERE, "sh", "true"];
  return await new Deno.Command("sh", { args, stderr: "null" }).output()
    .then(({ success }) => success, () => false);
}

Deno.test({
  name:
    "a flow that is killed goes on from another machine, which says what it cannot see, and leaves it alone",
  ignore: !HAS_SIGNALS || !await canBeElsewhere(),
  fn: () =>
    withPlace(async ({ cwd, env, command }) => {
      await writeFlow(cwd, CHAIN);
      await using running = startTaffrail(["run", "flow.json"], { cwd, env });
      const runId = idIn(await running.stdout.find(/^run_id=/));
      await untilLine(`${cwd}/effects`, "begun 1");
      running.kill("SIGKILL");
      await running.end();
      await Deno.writeTextFile(`${cwd}/go`, "");
      const resumed = await taffrail(["resume", runId], { cwd, env, shell: ELSEWHERE });
      assertEquals(resumed.code, 0);
      const host = Deno.hostname();
      assertStringIncludes(
        resumed.stderr,
        `attempt 1 of node second was begun on ${host}, and may still run there`,
      );
      assertEquals((await command("replay", runId)).code, 0);
      // What was left on the first machine is ended there.
      const stopped = await command("stop", runId, "--json");
      assertEquals(JSON.parse(stopped.stdout).left.length > 0, true);
    }),
});

Deno.test({
  name: "a run is stopped by a message to its holder, also on another machine, and goes on",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withPlace(async ({ cwd, env, command }) => {
      await writeFlow(cwd, CHAIN);
      const isElsewhere = await canBeElsewhere();
      const shell = isElsewhere ? { shell: ELSEWHERE } : {};
      await using running = startTaffrail(["run", "flow.json"], { cwd, env, ...shell });
      const runId = idIn(await running.stdout.find(/^run_id=/));
      await untilLine(`${cwd}/effects`, "begun 1");
      const stopped = await command("stop", runId);
      assertEquals([stopped.code, stopped.stderr], [0, ""]);
      assertMatch(
        stopped.stdout,
        isElsewhere ? /^asked process \d+ on elsewhere to stop/ : /^asked process \d+ to stop/,
      );
      assertStringIncludes(stopped.stdout, "cancelled by SIGTERM");
      assertEquals((await running.end()).code, 143);
      // Another holder is not meant by that message.
      await Deno.writeTextFile(`${cwd}/go`, "");
      const resumed = await command("resume", runId);
      assertEquals(resumed.code, 0, resumed.stderr);
      assert((await Deno.readTextFile(`${cwd}/effects`)).endsWith("begun 2\nthird\n"));
    }),
});

Deno.test("a gate of a run in a database is passed while it waits, and before", () =>
  withPlace(async ({ cwd, env, command }) => {
    await writeFlow(cwd, {
      name: "gates",
      nodes: { ask: { gate: "Deploy?" }, deploy: { sh: "echo deployed", needs: ["ask"] } },
    });
    await using running = startTaffrail(["run", "flow.json"], { cwd, env });
    const runId = idIn(await running.stdout.find(/^run_id=/));
    const passed = await command("pass", runId, "ask", "--by", "ada", "--json");
    assertEquals([passed.code, JSON.parse(passed.stdout).is_live], [0, true]);
    assertEquals((await running.end()).code, 0);
    assertEquals((await command("logs", runId)).stdout, "deploy | deployed\n");
  }));

Deno.test({
  name: "of two exclusive runs of a flow one waits for the other, or is refused and leaves no run",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withPlace(async ({ cwd, env, command }) => {
      await writeFlow(cwd, {
        name: "alone",
        nodes: {
          a: {
            sh: "echo begin >>effects; until [ -e go ]; do sleep 0.1; done; echo end >>effects",
          },
        },
      });
      const args = ["run", "flow.json", "--exclusive"];
      await using first = startTaffrail([...args, "refuse"], { cwd, env });
      await untilLine(`${cwd}/effects`, "begin");
      const refused = await command(...args, "refuse");
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /which is to run alone: run alone-\S+ is at work/);
      await using second = startTaffrail([...args, "wait"], { cwd, env });
      await second.stderr.find(/^waits, as alone is to run alone/);
      await Deno.writeTextFile(`${cwd}/go`, "");
      assertEquals((await first.end()).code, 0);
      assertEquals((await second.end()).code, 0);
      const effects = await Deno.readTextFile(`${cwd}/effects`);
      assertEquals(effects, "begin\nend\nbegin\nend\n");
      const { runs } = JSON.parse((await command("ls", "--json")).stdout);
      assertEquals(runs.length, 2);
    }),
});

/** What a run keeps, read back from a root. */
async function recordsOf(runs: RunsRoot, runId: string): Promise<unknown> {
  const view = runs.view(runId);
  const raw: Record<string, unknown[]> = {};
  for (const stream of ["capture", "events", "processes", "inbox"] as const) {
    raw[stream] = [];
    for await (const line of view.raw(stream)) {
      raw[stream].push(line instanceof Uint8Array ? line.slice() : line);
    }
  }
  const documents: unknown[] = [];
  for (const name of ["run.json", "flow.json", "trace.json", "capture.json"] as const) {
    documents.push(await view.document(name));
  }
  const outputs: unknown[] = [];
  for (const nodeId of ["a:1", "b"]) {
    for (const stream of ["out", "err", "result"] as const) {
      outputs.push(await view.output({ nodeId, attempt: 1, stream }));
    }
    outputs.push(await view.times({ nodeId, attempt: 1 }));
  }
  return { raw, documents, outputs };
}

Deno.test("a run is copied from a directory into a database and back, and is what it was on each side", () =>
  withPlace(async ({ cwd, url, env, command }) => {
    await writeFlow(cwd, {
      name: "copied",
      nodes: {
        "a:1": { sh: "echo printed; echo told >&2" },
        "b": { sh: "exit 3", needs: ["a:1"] },
      },
    });
    const here = { cwd, env: { ...env, TAFFRAIL_ROOT: "" } };
    const ran = await taffrail(["run", "flow.json"], here);
    const runId = idIn(ran.stdout);
    // A line that text cannot hold, one that is none, and one that is a half.
    const log = `${cwd}/.taffrail/runs/${runId}/events.jsonl`;
    const [first = "", ...rest] = (await Deno.readTextFile(log)).split("\n");
    await Deno.writeTextFile(log, [first, "\0", "", '{"a":', ...rest].join("\n"));
    const copied = await taffrail(["copy", runId, "--to", url], here);
    assertEquals([copied.code, copied.stderr], [0, ""]);
    const back = await taffrail(["copy", runId, "--from", url, "--to", "back"], here);
    assertEquals([back.code, back.stderr], [0, ""]);
    const expected = await recordsOf(openFileRoot(`${cwd}/.taffrail`), runId);
    assertEquals(await recordsOf(openFileRoot(`${cwd}/back`), runId), expected);
    assertEquals((await command("replay", runId)).code, 0);
    const again = await taffrail(["copy", runId, "--to", url], here);
    assertEquals(again.code, 1);
    assertStringIncludes(again.stderr, "there is one of this id");
    const renamed = await command("copy", runId, "--to", url, "--as", "other");
    assertEquals([renamed.code, renamed.stderr], [0, ""]);
    const { runs } = JSON.parse((await command("ls", "--json")).stdout);
    assertEquals(
      runs.map(({ run_id: id }: { run_id: string }) => id).toSorted(),
      [runId, "other"].toSorted(),
    );
    await writeFlow(cwd, {
      name: "copied",
      nodes: { "a:1": { sh: "echo printed; echo told >&2" }, "b": { sh: "true", needs: ["a:1"] } },
    });
    for (const id of [runId, "other"]) {
      const resumed = await command("resume", id);
      assertEquals(resumed.code, 0, resumed.stderr);
      assertEquals((await command("replay", id)).code, 0);
    }
  }));

Deno.test("a program records on a database, is killed, and goes on there with what is recorded", () =>
  withPlace(async ({ cwd, url, env, command }) => {
    const client = new URL("../../cli/postgres/open_database.ts", import.meta.url).href;
    const run = new URL("../../run/mod.ts", import.meta.url).href;
    const program = `
      import { openDatabase } from ${JSON.stringify(client)};
      import { durable } from ${JSON.stringify(run)};
      await using root = await openDatabase(${JSON.stringify(url)});
      const options = { root, name: "import", runId: "import-1" };
      const gives = await durable(options, async (run) => {
        const one = await run.step("one", () => (console.log("one"), "x".repeat(100_000)));
        await run.step("two", async ({ attempt }) => {
          console.log("two " + attempt);
          if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 1e9));
        });
        return one.length;
      });
      console.log("gives " + gives);
    `;
    await Deno.writeTextFile(`${cwd}/import.ts`, program);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["run", "-A", "--no-check", "--no-lock", "--config", config, "import.ts"];
    await using first = start(Deno.execPath(), args, { cwd, env });
    await first.stdout.find(/^two 1$/);
    first.kill("SIGKILL");
    await first.end();
    await using second = start(Deno.execPath(), args, { cwd, env });
    const { code, stdout, stderr } = await second.end();
    assertEquals([code, stdout], [0, "two 2\ngives 100000\n"], stderr);
    assertEquals((await command("replay", "import-1")).code, 0);
  }));

Deno.test({
  name: "a program on a database is stopped by a message, and can be gone on with",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withPlace(async ({ cwd, url, env, command }) => {
      const client = new URL("../../cli/postgres/open_database.ts", import.meta.url).href;
      const run = new URL("../../run/mod.ts", import.meta.url).href;
      const program = `
        import { openDatabase } from ${JSON.stringify(client)};
        import { durable } from ${JSON.stringify(run)};
        await using root = await openDatabase(${JSON.stringify(url)});
        await durable({ root, name: "wait", runId: "wait-1" }, async (run) => {
          await run.step("one", () => console.log("one"));
          await run.waitFor("never");
        }).catch(({ kind, message }) => console.log(kind + ": " + message));
      `;
      await Deno.writeTextFile(`${cwd}/wait.ts`, program);
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const args = ["run", "-A", "--no-check", "--no-lock", "--config", config, "wait.ts"];
      await using running = start(Deno.execPath(), args, { cwd, env });
      await running.stdout.find(/^one$/);
      const stopped = await command("stop", "wait-1");
      assertEquals(stopped.code, 0, stopped.stderr);
      assertStringIncludes(stopped.stdout, "cancelled by SIGTERM");
      assertStringIncludes((await running.end()).stdout, "stopped: The run wait-1 was stopped by");
    }),
});

Deno.test({
  name:
    "a frozen holder is refused, and taken over from: woken up it kills what it runs at once, and records nothing",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withPlace(async ({ cwd, url, env, command }) => {
      // What has this long to end gets none of it.
      await writeFlow(cwd, {
        name: "frozen",
        nodes: {
          a: { sh: "trap '' TERM; echo $$ >>effects; [ -e go ] || sleep 60; echo end >>effects" },
        },
      });
      const args = ["run", "flow.json", "--grace", "50s"];
      await using running = startTaffrail(args, { cwd, env });
      const runId = idIn(await running.stdout.find(/^run_id=/));
      let pid = 0;
      while (!(pid > 0)) {
        pid = Number(await Deno.readTextFile(`${cwd}/effects`).catch(() => "0"));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      running.kill("SIGSTOP");
      const refused = await command("resume", runId);
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /it is still being worked on by process \d+/);
      await using root = await openDatabase(url);
      const held = await root.hold(runId, { takeOver: true });
      const { events } = await held.view.events.read();
      running.kill("SIGCONT");
      const woken = await running.end();
      assertEquals(woken.code, 1);
      assertStringIncludes(woken.stderr, `Cannot record run ${runId}`);
      // Neither it nor what it has started is left, and it has said no more.
      const left = listProcesses()?.filter(({ group, isZombie }) => group === pid && !isZombie);
      assertEquals(left, []);
      assertEquals((await held.view.events.read()).events, events);
      await held[Symbol.asyncDispose]();
      await Deno.writeTextFile(`${cwd}/go`, "");
      const resumed = await command("resume", runId, "--take-over");
      assertEquals(resumed.code, 0, resumed.stderr);
      assertEquals((await command("replay", runId)).code, 0);
      const local = await command("resume", "x", "--root", "here", "--take-over");
      assertEquals(local.code, 2);
      assertStringIncludes(local.stderr, "Cannot use --take-over");
    }),
});

Deno.test({
  name:
    "taffrail resume starts the program of a run in a database, which finds it by whatever name of the server",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withPlace(async ({ cwd, url, env, command }) => {
      const client = new URL("../../cli/postgres/open_database.ts", import.meta.url).href;
      const run = new URL("../../run/mod.ts", import.meta.url).href;
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const args = ["run", "-A", "--no-check", "--no-lock", "--config", config, "main.ts"];
      const program = `
        import { openDatabase } from ${JSON.stringify(client)};
        import { durable } from ${JSON.stringify(run)};
        await using root = await openDatabase(${JSON.stringify(url)});
        const command = ${JSON.stringify([Deno.execPath(), ...args])};
        await durable({ root, name: "told", command }, async (run) => {
          console.log("run_id=" + run.runId);
          await run.step("one", ({ attempt }) => console.log("one " + attempt));
          await run.step("two", async ({ attempt }) => {
            console.log("two " + attempt);
            if (attempt === 1) await new Promise((resolve) => setTimeout(resolve, 1e9));
          });
        });
      `;
      await Deno.writeTextFile(`${cwd}/main.ts`, program);
      await using first = start(Deno.execPath(), args, { cwd, env });
      const runId = idIn(await first.stdout.find(/^run_id=/));
      await first.stdout.find(/^two 1$/);
      first.kill("SIGKILL");
      await first.end();
      const other = url.replace("127.0.0.1", "localhost");
      const resumed = await command("resume", runId, "--root", other);
      assertEquals([resumed.code, resumed.stdout], [0, `run_id=${runId}\ntwo 2\n`], resumed.stderr);
    }),
});
