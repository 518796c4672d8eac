/** `taffrail work`, as a real process: what it makes of jobs, and what their commands find. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migratePostgres } from "../../postgres/mod.ts";
import { startTaffrail, taffrail } from "../cli/_command.ts";
import { clientOf } from "./_client.ts";
import { type Offered, type OfferEnd, untilFile, withWork } from "./_worker.ts";

/** What an answer says in short. */
function short(end: OfferEnd): unknown[] {
  if (end.kind !== "ended") return [end.kind];
  const { exit_code, signal } = end.end;
  return [end.termination, exit_code ?? signal];
}

Deno.test("commands end on a worker as on one machine", () =>
  withWork(async ({ offer, worker, printed, cwd }) => {
    await using running = await worker(["--name", "one", "--slots", "2"]);
    const cases: [script: string, more: Offered, expected: unknown[]][] = [
      ["echo out; echo err >&2", {}, ["Completed", 0]],
      ["exit 3", {}, [{ Failed: "RuntimeError" }, 3]],
      ["exit 4", { payload: { not_on: [4] } }, [{ Failed: "SemanticError" }, 4]],
      ["kill -9 $$", {}, [{ Failed: "RuntimeError" }, "SIGKILL"]],
      ["exec sleep 600", { payload: { timeout_ms: 100 } }, ["TimedOut", "SIGTERM"]],
      ["", { payload: { run: ["no-such-program"] } }, [{ Failed: "ValidationFailed" }, undefined]],
      ["true", { payload: { cwd: "gone" } }, [{ Failed: "ValidationFailed" }, undefined]],
      ["true", { payload: { from_env: ["NOWHERE"] } }, [{ Failed: "ValidationFailed" }, undefined]],
    ];
    const ends = await Promise.all(
      cases.map(([script, more], n) => offer(script, { nodeId: `n${n}`, ...more })),
    );
    assertEquals(ends.map(short), cases.map(([, , expected]) => expected));
    assertEquals([await printed("n0"), await printed("n0", { stream: "err" })], ["out\n", "err\n"]);
    const messages = ends.slice(5).map((end) => end.kind === "ended" ? end.end.error?.message : "");
    assertMatch(messages[0]!, /no-such-program", which is not on the PATH.* \(worker one\)$/);
    assertStringIncludes(
      messages[1]!,
      `in the cwd ${cwd}/gone, which is no directory (worker one)`,
    );
    assertMatch(messages[2]!, /^Cannot run it on worker one: it has no value for NOWHERE: set it /);
    running.kill("SIGTERM");
    const { code, stderr } = await running.end();
    assertEquals(code, 0);
    assertMatch(stderr, /^demo-\S+ n1 #1: failed after \S+: exit code 3$/m);
  }));

Deno.test("a command finds its variables, and neither the password of the database nor others' outputs", () =>
  withWork(async ({ offer, worker, printed, cwd, url, held }) => {
    await Deno.mkdir(`${cwd}/place/sub`, { recursive: true });
    await Deno.writeTextFile(`${cwd}/.env`, "FROM_FILE=file\nNOT_ASKED=kept\nTOKEN=s3cret\n");
    const env = { PGPASSWORD: "pw", HERE: "worker", FROM_FILE: "below", TAFFRAIL_OUTPUT_X: "no" };
    await worker(["--cwd", "place", "--env-file", ".env"], { env });
    const script =
      'pwd; echo "$LITERAL $FROM_FILE $HERE $TOKEN ${NOT_ASKED-none} ${PGPASSWORD-none} ' +
      '${TAFFRAIL_OUTPUT_X-none}"; echo "$TAFFRAIL_RUN_ID $TAFFRAIL_NODE_ID $TAFFRAIL_ATTEMPT ' +
      '$TAFFRAIL_ROOT $TAFFRAIL_GRACE_MS"; test "$TAFFRAIL_JOB_TOKEN" -gt 0 && echo token';
    const end = await offer(script, {
      attempt: 2,
      payload: {
        cwd: "sub",
        env: { LITERAL: "literal" },
        from_env: ["FROM_FILE", "TOKEN"],
        secret: ["TOKEN"],
        unset: ["TAFFRAIL_OUTPUT_X"],
      },
    });
    assertEquals(short(end), ["Completed", 0]);
    assert(end.kind === "ended" && end.end.output_masked);
    assertEquals((await printed("a", { attempt: 2 })).split("\n"), [
      `${cwd}/place/sub`,
      "literal file worker *** none none none",
      `${held.view.runId} a 2 ${url} 10000`,
      "token",
      "",
    ]);
  }));

Deno.test("no value of a secret is anywhere in the database", () =>
  withWork(async ({ offer, worker, server, url }) => {
    await worker([], { env: { TOKEN: "s3cret-value" } });
    const end = await offer('echo "$TOKEN"; echo "$TOKEN" >&2; exit 1', {
      payload: { from_env: ["TOKEN"], secret: ["TOKEN"] },
    });
    assertEquals(short(end), [{ Failed: "RuntimeError" }, 1]);
    assert(end.kind === "ended");
    assertEquals(end.end.error?.message, "***");
    const dump = new Deno.Command(`${server.place.bin}/pg_dump`, { args: ["--inserts", url] });
    const { success, stdout } = await dump.output();
    assert(success);
    const text = new TextDecoder().decode(stdout);
    assertStringIncludes(text, "from_env");
    const encoded = Array.from(
      new TextEncoder().encode("s3cret-value"),
      (byte) => byte.toString(16),
    );
    assert(!text.includes("s3cret-value") && !text.includes(encoded.join("")));
  }));

Deno.test("what others have printed is fetched, and compared with what it was", () =>
  withWork(async ({ offer, worker, printed }) => {
    await worker();
    const made = await offer("echo made", { payload: { needs_output: true } });
    assert(made.kind === "ended");
    const sha256 = made.end.output_hash!.slice("sha256:".length);
    const none = await offer("true", { nodeId: "none" });
    assert(none.kind === "ended");
    const output = { name: "TAFFRAIL_OUTPUT_A", node_id: "a", attempt: 1, sha256 };
    const empty = none.end.output_hash!.slice("sha256:".length);
    const script = 'cat "$TAFFRAIL_OUTPUT_A" "$TAFFRAIL_OUTPUT_NONE"; echo "$TAFFRAIL_OUTPUT_A"';
    const used = await offer(script, {
      nodeId: "use",
      payload: {
        outputs: [output, {
          name: "TAFFRAIL_OUTPUT_NONE",
          node_id: "none",
          attempt: 1,
          sha256: empty,
        }],
      },
    });
    assertEquals(short(used), ["Completed", 0]);
    const [text, path] = (await printed("use")).split("\n");
    assertEquals(text, "made");
    // It goes with the job.
    assertEquals(await Deno.stat(path!).catch(() => undefined), undefined);
    const cases: [change: object, problem: string][] = [
      [{ sha256: "0".repeat(64) }, "it was changed"],
      [{ attempt: 7 }, "it is gone"],
    ];
    for (const [n, [change, problem]] of cases.entries()) {
      const end = await offer("true", {
        nodeId: `bad${n}`,
        payload: { outputs: [{ ...output, ...change }] },
      });
      assertEquals(short(end), [{ Failed: "ValidationFailed" }, undefined]);
      assert(end.kind === "ended");
      assertStringIncludes(end.end.error!.message, `Cannot use what node a printed: ${problem}`);
      assertEquals(end.end.error!.kind, "damaged");
    }
  }));

Deno.test("a worker has no more jobs than slots, and only those that its labels allow", () =>
  withWork(async ({ offer, worker, cwd, printed }) => {
    await worker(["--slots", "2", "--name", "plain"]);
    await worker(["--slots", "1", "--name", "gpu", "--label", "gpu", "--label", "big"]);
    const where = (end: OfferEnd) => end.kind === "ended" ? end.worker : end.kind;
    const labelled = await Promise.all([
      offer("true", { nodeId: "g1", labels: ["gpu"] }),
      offer("true", { nodeId: "g2", labels: ["big", "gpu"] }),
    ]);
    assertEquals(labelled.map(where), ["gpu", "gpu"]);
    // Each says how many are at work beside it, and what it sees ends before it does.
    const script = `touch "${cwd}/$TAFFRAIL_NODE_ID.at"; ls "${cwd}" | grep -c at$; ` +
      `rm "${cwd}/$TAFFRAIL_NODE_ID.at"`;
    const nodes = Array.from({ length: 12 }, (_, n) => `n${n}`);
    await Promise.all(nodes.map((nodeId) => offer(script, { nodeId })));
    const counts = await Promise.all(nodes.map(async (nodeId) => Number(await printed(nodeId))));
    assert(Math.max(...counts) <= 3, `${counts} ran at a time`);
  }));

Deno.test("what is cancelled gets SIGTERM and its grace, and the reason is in its end", () =>
  withWork(async ({ offer, worker, cwd }) => {
    await worker(["--slots", "3"]);
    const script =
      `trap 'exit 0' TERM; : >"${cwd}/$TAFFRAIL_NODE_ID.at"; while :; do sleep 0.02; done`;
    const stubborn = `trap '' TERM; : >"${cwd}/$TAFFRAIL_NODE_ID.at"; while :; do sleep 0.02; done`;
    const cases: [
      nodeId: string,
      script: string,
      reason: unknown,
      graceMs: number,
      expected: unknown,
    ][] = [
      ["stop", script, new Error("stop"), 60_000, "Aborted"],
      ["late", script, new DOMException("late", "TimeoutError"), 60_000, "TimedOut"],
      ["hard", stubborn, new Error("stop"), 50, "Aborted"],
    ];
    const ends = await Promise.all(cases.map(async ([nodeId, script, reason, graceMs]) => {
      const controller = new AbortController();
      const payload = { grace_ms: graceMs };
      const ended = offer(script, { nodeId, signal: controller.signal, payload });
      await untilFile(`${cwd}/${nodeId}.at`);
      controller.abort(reason);
      return short(await ended)[0];
    }));
    assertEquals(ends, cases.map(([, , , , expected]) => expected));
  }));

Deno.test("a worker that was asked to end finishes what runs, and takes nothing more", () =>
  withWork(async ({ offer, worker, cwd }) => {
    const running = await worker(["--slots", "1", "--name", "first"]);
    const script = `: >"${cwd}/a.at"; while [ ! -e "${cwd}/go" ]; do sleep 0.02; done`;
    const ended = offer(script);
    await untilFile(`${cwd}/a.at`);
    running.kill("SIGINT");
    await running.stderr.find(/^SIGINT: taking nothing more, and waiting for what runs$/);
    const other = offer("true", { nodeId: "b" });
    await Deno.writeTextFile(`${cwd}/go`, "");
    assertEquals(short(await ended), ["Completed", 0]);
    assertEquals((await running.end()).code, 0);
    await worker(["--name", "second", "--until-idle", "600s"]);
    const end = await other;
    assert(end.kind === "ended");
    assertEquals(end.worker, "second");
  }));

Deno.test("asked twice, or with --give-back, a worker ends what runs: its end says that the worker is lost", () =>
  withWork(async ({ offer, worker, cwd }) => {
    for (const [n, args] of [[], ["--give-back"]].entries()) {
      const running = await worker(["--slots", "1", ...args]);
      const script = `trap 'exit 0' TERM; : >"${cwd}/n${n}.at"; while :; do sleep 0.02; done`;
      const ended = offer(script, { nodeId: `n${n}` });
      await untilFile(`${cwd}/n${n}.at`);
      running.kill("SIGTERM");
      if (args.length === 0) {
        await running.stderr.find(/waiting for what runs$/);
        running.kill("SIGINT");
      }
      const end = await ended;
      assertEquals(short(end)[0], "Aborted");
      assert(end.kind === "ended");
      assertEquals(end.end.error?.code, "worker-lost");
      assertEquals((await running.end()).code, 0);
    }
  }));

Deno.test("what a worker gives up is made by another one, and that is no retry of the flow", () =>
  withWork(async ({ worker, url, cwd }) => {
    const sh = `echo $TAFFRAIL_ATTEMPT >>"${cwd}/ran"; [ -e "${cwd}/go" ] || exec sleep 600`;
    await Deno.writeTextFile(
      `${cwd}/flow.json`,
      JSON.stringify({ name: "f", nodes: { a: { sh } } }),
    );
    const first = await worker(["--give-back", "--name", "first"]);
    const words = ["run", "flow.json", "--workers", "--root", url];
    await using running = startTaffrail(words, { cwd });
    await untilFile(`${cwd}/ran`);
    await Deno.writeTextFile(`${cwd}/go`, "");
    first.kill("SIGTERM");
    assertEquals((await first.end()).code, 0);
    await worker(["--name", "second"]);
    const { code, stdout, stderr } = await running.end();
    assertEquals(code, 0, stdout + stderr);
    assertEquals(await Deno.readTextFile(`${cwd}/ran`), "1\n2\n");
    const { nodes } = JSON.parse(
      (await taffrail(["show", "f", "--json", "--root", url], { cwd })).stdout,
    );
    const [one, two] = nodes[0].attempts;
    assertEquals([one.status.Failed?.kind, two.status], ["cancelled", "Completed"]);
  }));

Deno.test("a role that may work for runs can do all of that, and one that may read them is refused", () =>
  withWork(async ({ offer, worker, server, url, cwd }) => {
    const name = new URL(url).pathname.slice(1);
    const [working, reading] = [`worker_${name}`, `reader_${name}`];
    for (const role of [working, reading]) await server.sql(`create role ${role} login`);
    try {
      await migratePostgres(clientOf(url), { workers: [working], readers: [reading] });
      const urlOf = (role: string) => url.replace("postgres@", `${role}@`);
      const refused = await taffrail(["work", "--root", urlOf(reading)], { cwd });
      assertEquals(refused.code, 1);
      assertMatch(refused.stderr, /^Cannot use .*: permission denied for function claim_jobs_1; /m);
      assertMatch(refused.stderr, /its owner gives the right: taffrail init .* --worker ROLE$/m);
      const running = await worker([], { url: urlOf(working) });
      const made = await offer("echo made", { payload: { needs_output: true } });
      assert(made.kind === "ended");
      const sha256 = made.end.output_hash!.slice("sha256:".length);
      const outputs = [{ name: "TAFFRAIL_OUTPUT_A", node_id: "a", attempt: 1, sha256 }];
      const used = await offer('cat "$TAFFRAIL_OUTPUT_A"', { nodeId: "b", payload: { outputs } });
      assertEquals(short(used), ["Completed", 0]);
      running.kill("SIGTERM");
      assertEquals((await running.end()).code, 0);
    } finally {
      for (const role of [working, reading]) {
        await server.sql(`drop owned by ${role}`, name);
        await server.sql(`drop role ${role}`);
      }
    }
  }));

Deno.test("a worker ends when there was nothing to do for long enough, and prints JSON", () =>
  withWork(async ({ offer, cwd, url }) => {
    const ended = offer("echo hello");
    const args = ["work", "--root", url, "--until-idle", "100ms", "--json", "--name", "one"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    assertEquals([code, stderr], [0, ""]);
    assertEquals(short(await ended), ["Completed", 0]);
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ type }) => type), ["working", "began", "ended"]);
    const [working, began, end] = lines;
    const page = await Deno.readTextFile(
      `${import.meta.dirname}/../../docs/format/command_json.md`,
    );
    const section = page.split("## What a worker prints")[1]!.split("\n## ")[0]!;
    const members = new Set(lines.flatMap(Object.keys));
    assertEquals([...members].filter((name) => !section.includes(`\`${name}\``)), []);
    assertEquals([working.worker, working.root], ["one", url]);
    assertEquals([began.node_id, began.attempt], ["a", 1]);
    assertEquals([end.termination, end.end.exit_code], ["Completed", 0]);
  }));
