/** Spans of the command's runs, as a collector on loopback gets them from real processes. */
import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { OtlpCollector, type TakenSpan } from "../_util/otlp_collector.ts";
import { withTempDir } from "../_util/temp.ts";
import { startTaffrail, taffrail, taffrailCommand } from "./_command.ts";
import { onlyRun, outputOf, untilExists } from "./_runs.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN = "00f067aa0ba902b7";
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`;
/** Whatever the tests themselves are a part of. */
const NONE = { TRACEPARENT: "", TRACESTATE: "", OTEL_EXPORTER_OTLP_ENDPOINT: "" };

/** What a test of spans works with. */
interface Traced {
  cwd: string;
  collector: OtlpCollector;
  /** The environment in which a command finds the collector, and is a part of nothing. */
  env: Record<string, string>;
}

function withCollector(test: (traced: Traced) => Promise<void>): Promise<void> {
  return withTempDir(async (cwd) => {
    await using collector = new OtlpCollector();
    await test({ cwd, collector, env: { ...NONE, ...collector.env } });
  });
}

/** Deno makes and sends the spans. */
const BY_DENO = { OTEL_DENO: "true", OTEL_DENO_CONSOLE: "ignore" };

async function writeFlow(cwd: string, flow: object): Promise<void> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", ...flow }));
}

/** Says what of a trace a command is told. */
const TELLS = 'echo "$TRACEPARENT|${TRACESTATE-none}"';

const JOURNAL = "$TAFFRAIL_ROOT/runs/$TAFFRAIL_RUN_ID/capture.jsonl";
const UNTIL_ONE_WAITS = `until grep -q saturated ${JOURNAL}; do sleep 0.05; done`;

async function toldTo(cwd: string, node: string, attempt = 1): Promise<string> {
  const root = `${cwd}/.taffrail`;
  return (await outputOf({ root, runId: await onlyRun(root) }, `${node}.${attempt}.out`)).trim();
}

function resultOf({ attributes }: TakenSpan): unknown {
  return attributes["cicd.pipeline.task.run.result"] ?? attributes["cicd.pipeline.result"];
}

/** A flow of all that can become of a node, one after the other. */
const FLOW = {
  on_failure: "keep_going",
  nodes: {
    a: { sh: `${TELLS}; ${UNTIL_ONE_WAITS}; sleep 0.05` },
    b: { run: ["true"] },
    flaky: {
      sh: `${TELLS}; test $TAFFRAIL_ATTEMPT = 2`,
      needs: ["b"],
      retry: { max: 1, delay: "20ms" },
    },
    bad: { sh: "echo no such row >&2; exit 3", needs: ["flaky"] },
    after: { run: ["true"], needs: ["bad"] },
    ask: { gate: "Go on?", timeout: "50ms", needs: ["bad"], when: "always" },
  },
  constraints: { max_in_flight: 1 },
};

for (const protocol of ["http/protobuf", "http/json"]) {
  Deno.test(`a flow with retries and a failing node is one trace with true parents, by ${protocol}`, () =>
    withCollector(async ({ cwd, collector, env: given }) => {
      await writeFlow(cwd, FLOW);
      const env = {
        ...given,
        TRACEPARENT,
        TRACESTATE: "rojo=1",
        // The other one is what is sent where nobody says it.
        ...(protocol === "http/json" && { OTEL_EXPORTER_OTLP_PROTOCOL: protocol }),
      };
      const { code, stderr } = await taffrail(["run", "flow.json"], { cwd, env });
      assertEquals([code, stderr], [1, ""]);
      assertEquals(collector.outline(), [
        "RUN flow",
        "  a",
        "    a",
        "  b",
        "    b",
        "  flaky",
        "    flaky",
        "    flaky (attempt 2)",
        "  bad",
        "    bad",
        "  ask",
      ]);
      await checkRun(cwd, collector);
      await checkAttempts(cwd, collector);
    }));
}

/** The run is in the trace and the span that it was told of, and says how it ended. */
async function checkRun(cwd: string, { spans }: OtlpCollector): Promise<void> {
  assertEquals(new Set(spans.map(({ traceId }) => traceId)), new Set([TRACE]));
  assertEquals(new Set(spans.map(({ scope }) => scope)), new Set(["@taffrail/taffrail"]));
  const runId = await onlyRun(`${cwd}/.taffrail`);
  const run = spans.find(({ name }) => name === "RUN flow")!;
  assertEquals([run.parentSpanId, run.kind], [SPAN, 2]);
  assertEquals(run.status, { code: 2, message: "node bad failed: crash" });
  assertEquals(run.attributes["cicd.pipeline.name"], "flow");
  assertEquals(run.attributes["cicd.pipeline.run.id"], runId);
  assertEquals([resultOf(run), run.attributes["error.type"]], ["failure", "failure"]);
  assertEquals(run.resource["service.name"], "taffrail");
  const shown = await taffrail(["show", "--json", "flow"], { cwd });
  assertEquals(JSON.parse(shown.stdout).trace_id, TRACE);
  const { stdout } = await taffrail(["show", "flow"], { cwd });
  assertStringIncludes(stdout, `\ntrace   ${TRACE}\n`);
}

/** Attempts are in their nodes, as long as they were, and their commands were told of them. */
async function checkAttempts(cwd: string, collector: OtlpCollector): Promise<void> {
  const run = collector.span("RUN flow");
  const node = collector.child(run, "bad");
  const bad = collector.child(node, "bad");
  assertEquals(bad.kind, 1);
  assertEquals(bad.status, { code: 2, message: "failed, exit code 3: no such row" });
  assertEquals(bad.attributes["process.exit.code"], 3);
  assertEquals(bad.attributes["cicd.pipeline.task.name"], "bad");
  assertMatch(String(bad.attributes["cicd.pipeline.task.run.id"]), /^flow-\w+\/bad#1$/);
  assertEquals([resultOf(bad), resultOf(node)], ["failure", "failure"]);
  // It was ready, and had to wait.
  assertEquals(collector.child(run, "b").events, ["deferred"]);

  const flaky = collector.child(run, "flaky");
  const first = collector.child(flaky, "flaky");
  const second = collector.child(flaky, "flaky (attempt 2)");
  assertEquals(second.links, { [first.spanId]: "retry" });
  const results = [first, second, flaky].map(resultOf);
  assertEquals(results, ["failure", "success", "success"]);
  assert(flaky.events.includes("backoff"));
  const a = collector.child(collector.child(run, "a"), "a");
  assert(a.to - a.from >= 50);
  for (const [inner, outer] of [[a, run], [flaky, run], [first, flaky], [second, flaky]] as const) {
    assert(outer.from <= inner.from && inner.to <= outer.to, `${inner.name} in ${outer.name}`);
  }
  assert(first.to <= second.from);
  assertEquals(resultOf(collector.child(run, "ask")), "timeout");
  for (
    const [id, number, span] of [["a", 1, a], ["flaky", 1, first], ["flaky", 2, second]] as const
  ) {
    assertEquals(await toldTo(cwd, id, number), `00-${TRACE}-${span.spanId}-01|rojo=1`);
  }
}

Deno.test("a run within a run is a part of the attempt that it is", () =>
  withCollector(async ({ cwd, collector, env }) => {
    const inner = taffrailCommand(["exec", "--", "true"]);
    await writeFlow(cwd, { nodes: { outer: { run: inner } } });
    assertEquals((await taffrail(["run", "flow.json"], { cwd, env })).code, 0);
    assertEquals(collector.outline(), [
      "RUN flow",
      "  outer",
      "    outer",
      "      RUN true",
      "        true",
      "          true",
    ]);
    assertEquals(collector.span("RUN flow").parentSpanId, "");
    assertEquals(new Set(collector.spans.map(({ traceId }) => traceId)).size, 1);
  }));

Deno.test("what a kill has kept from being told is told by whoever goes on, as it would have been", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const cutOff = "touch begun; sleep 600";
    const nodes = {
      first: { run: ["true"] },
      long: {
        sh: `${TELLS} >told.$TAFFRAIL_ATTEMPT; test $TAFFRAIL_ATTEMPT = 2 || { ${cutOff}; }`,
        needs: ["first"],
      },
    };
    await writeFlow(cwd, { nodes });
    // What has ended is sent at once.
    const env = { ...given, OTEL_BSP_SCHEDULE_DELAY: "1" };
    {
      await using running = startTaffrail(["run", "flow.json"], { cwd, env });
      await untilExists(cwd, "begun");
      while (collector.spans.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
      running.kill("SIGKILL");
      await running.end();
    }
    assertEquals((await taffrail(["resume", "flow"], { cwd, env })).code, 0);
    assertEquals(collector.outline(), [
      "RUN flow",
      "  first",
      "    first",
      "  long",
      "    long",
      "  RUN flow",
      "    long",
      "      long (attempt 2)",
    ]);
    assertEquals(new Set(collector.spans.map(({ traceId }) => traceId)).size, 1);
    const [killed, again] = collector.spans.filter(({ name }) => name === "RUN flow")
      .toSorted((a, b) => a.from - b.from);
    assertEquals([resultOf(killed!), killed!.status.message], [
      "error",
      "cut off: its process was gone",
    ]);
    assertEquals([killed!.parentSpanId, again!.parentSpanId], ["", killed!.spanId]);
    assertEquals(again!.links, { [killed!.spanId]: "resumed" });
    assertEquals(resultOf(again!), "success");
    const attempt = collector.child(collector.child(killed!, "long"), "long");
    assertEquals([resultOf(attempt), attempt.attributes["error.type"]], ["error", "cut_off"]);
    // It is the very span that the command was told of, as the next one's is.
    const [told, next] = await Promise.all(
      ["told.1", "told.2"].map((file) => Deno.readTextFile(`${cwd}/${file}`)),
    );
    assertStringIncludes(told!, attempt.spanId);
    assertStringIncludes(next!, collector.span("long (attempt 2)").spanId);
    assertEquals(resultOf(collector.span("long (attempt 2)")), "success");
  }));

Deno.test("with what is registered by Deno a run is a trace, too", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    await writeFlow(cwd, { nodes: { a: { sh: TELLS }, bad: { run: ["false"], needs: ["a"] } } });
    const env = {
      ...given,
      ...BY_DENO,
      TRACEPARENT,
    };
    const { code } = await taffrail(["run", "flow.json"], { cwd, env });
    assertEquals(code, 1);
    assertEquals(collector.outline(), ["RUN flow", "  a", "    a", "  bad", "    bad"]);
    const run = collector.span("RUN flow");
    assertEquals([run.traceId, run.parentSpanId, resultOf(run)], [TRACE, SPAN, "failure"]);
    const a = collector.child(collector.child(run, "a"), "a");
    assertEquals(await toldTo(cwd, "a"), `00-${TRACE}-${a.spanId}-01|none`);
    assertEquals(run.resource["telemetry.sdk.name"], "deno-opentelemetry");
  }));

Deno.test("a program with what is registered by Deno has its steps as spans, and its own inside of these", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const program = new URL("../run/spans/_order.ts", import.meta.url).pathname;
    const env = {
      ...given,
      ...BY_DENO,
      TRACEPARENT,
    };
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-write", "--allow-env", "--no-lock", program],
      cwd,
      env,
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    assertEquals(collector.outline(), [
      "RUN order",
      "  list",
      "    list",
      "      query",
      "  charge",
      "    charge",
      "    charge (attempt 2)",
    ]);
    const all = collector.span("RUN order");
    assertEquals([all.traceId, all.parentSpanId, resultOf(all)], [TRACE, SPAN, "success"]);
    const second = collector.span("charge (attempt 2)");
    assertEquals(Object.values(second.links), ["retry"]);
  }));

Deno.test("a backend that is not there, says no, or says nothing costs one line, and no run", () =>
  withTempDir(async (cwd) => {
    const secret = "Bearer%20s3cr3t-t0ken";
    const headers = `authorization=${secret},x-scope-orgid=7`;
    await using refusing = new OtlpCollector(() =>
      new Response(`no ${headers} here`, { status: 401 })
    );
    const silence = Promise.withResolvers<Response>();
    await using silent = new OtlpCollector(() => silence.promise);
    using _ = { [Symbol.dispose]: () => silence.resolve(new Response()) };
    const nobody = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = nobody.addr as Deno.NetAddr;
    nobody.close();
    const cases: [url: string, why: RegExp][] = [
      [refusing.url, /\(the answer was 401 Unauthorized\)/],
      [silent.url, /\((?:no answer|.*imed? ?out.*)\)/i],
      [`http://127.0.0.1:${port}`, /\(.*refused.*\)/i],
    ];
    for (const [url, why] of cases) {
      const env = {
        ...NONE,
        OTEL_EXPORTER_OTLP_ENDPOINT: url.replace("//", "//user:passw0rd@"),
        OTEL_EXPORTER_OTLP_HEADERS: headers,
        OTEL_EXPORTER_OTLP_TIMEOUT: "400",
      };
      const command = ["exec", "--", "sh", "-c", 'echo "$OTEL_EXPORTER_OTLP_HEADERS"; exit 7'];
      const began = performance.now();
      const { code, stdout, stderr } = await taffrail(command, { cwd, env });
      assertLess(performance.now() - began, 60_000);
      assertEquals(code, 7);
      const lines = stderr.trimEnd().split("\n");
      assertEquals(lines.length, 3, stderr);
      assertMatch(lines[1]!, /^✗ sh /);
      assertMatch(
        lines[2]!,
        /^Cannot send the spans of sh-\w+: 3 spans did not reach http:\/\/127\.0\.0\.1:\d+\/v1\/traces /,
      );
      assertMatch(lines[2]!, why);
      assert(!stderr.includes("s3cr3t") && !stderr.includes("passw0rd"), stderr);
      // What the command prints is its own, and what is kept of it is not.
      assertStringIncludes(stdout, secret);
      const runId = /run_id=(\S+)/.exec(stderr)![1]!;
      const kept = await outputOf({ root: `${cwd}/.taffrail`, runId }, "sh.1.out");
      assertEquals(kept, "authorization=***,x-scope-orgid=7\n");
      for await (const { name, isFile } of Deno.readDir(`${cwd}/.taffrail/runs/${runId}`)) {
        if (!isFile) continue;
        const text = await Deno.readTextFile(`${cwd}/.taffrail/runs/${runId}/${name}`);
        assert(!text.includes("s3cr3t") && !text.includes("passw0rd"), name);
      }
    }
    assertEquals(refusing.requests[0]!.headers.authorization, "Bearer s3cr3t-t0ken");
    assertEquals(refusing.requests[0]!.headers["x-scope-orgid"], "7");
  }));

Deno.test("no span has a secret in it, nor the command line of what it stands for", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const run = ["sh", "-c", 'echo "no $TOKEN, no $OTEL_EXPORTER_OTLP_HEADERS" >&2; exit 3', "arg"];
    await writeFlow(cwd, {
      secret: ["TOKEN"],
      env: { TOKEN: "t0k3n-of-it" },
      nodes: { a: { run } },
    });
    const env = { ...given, OTEL_EXPORTER_OTLP_HEADERS: "x-api-key=k3y-of-it" };
    assertEquals((await taffrail(["run", "flow.json"], { cwd, env })).code, 1);
    const attempt = collector.child(collector.child(collector.span("RUN flow"), "a"), "a");
    assertEquals(attempt.status.message, "failed, exit code 3: no ***, no x-api-key=***");
    assert(!/of-it|echo|"arg"/.test(JSON.stringify(collector.spans)));
    assertEquals(collector.requests[0]!.headers["x-api-key"], "k3y-of-it");
  }));

Deno.test("what the environment says that cannot be done is one line, and no run", () =>
  withTempDir(async (cwd) => {
    const cases: [env: Record<string, string>, problem: string][] = [
      [
        { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" },
        'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", and http/protobuf or http/json',
      ],
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: "nowhere" }, "OTEL_EXPORTER_OTLP_ENDPOINT is no address"],
      [
        { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "file:///x" },
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no address",
      ],
    ];
    for (const [more, problem] of cases) {
      const env = { ...NONE, OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", ...more };
      const { code, stderr } = await taffrail(["exec", "--", "true"], { cwd, env });
      assertEquals(code, 0);
      assertMatch(stderr, /^Cannot send the spans of true-\w+: .*; its records are whole$/m);
      assertStringIncludes(stderr, problem);
    }
  }));

Deno.test("what is not wanted is not made, and whoever is told of a span tells it on as it is", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const off: Record<string, string>[] = [
      { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
      { OTEL_SDK_DISABLED: "true" },
      { OTEL_SDK_DISABLED: "TRUE" },
      { OTEL_TRACES_EXPORTER: "none" },
      { OTEL_TRACES_EXPORTER: "console, zipkin" },
    ];
    for (const more of off) {
      const env = { ...given, TRACEPARENT, TRACESTATE: "rojo=1", ...more };
      const { code, stdout, stderr } = await taffrail(["exec", "--", "sh", "-c", TELLS], {
        cwd,
        env,
      });
      assertEquals([code, stdout], [0, `${TRACEPARENT}|rojo=1\n`]);
      assert(!stderr.includes("spans"), stderr);
    }
    assertEquals(collector.requests, []);
  }));

Deno.test("what is not sampled is not sent, and is told so", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const env = { ...given, OTEL_TRACES_SAMPLER: "always_off" };
    const { code, stdout, stderr } = await taffrail(["exec", "--", "sh", "-c", TELLS], {
      cwd,
      env,
    });
    assertEquals(code, 0);
    assertMatch(stdout, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00\|none\n$/);
    assert(!stderr.includes("spans"), stderr);
    assertEquals(collector.spans, []);
  }));

Deno.test("a resource is named as the environment says", () =>
  withCollector(async ({ cwd, collector, env: given }) => {
    const env = {
      ...given,
      OTEL_SERVICE_NAME: "nightly",
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test,vcs.ref.head.name=main",
    };
    assertEquals((await taffrail(["exec", "--", "true"], { cwd, env })).code, 0);
    const { resource } = collector.span("RUN true");
    assertEquals([resource["service.name"], resource["vcs.ref.head.name"]], ["nightly", "main"]);
  }));

Deno.test("a parent that is none is not followed, and its state neither", () =>
  withTempDir(async (cwd) => {
    const hostile = [
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      `ff-${TRACE}-${SPAN}-01`,
      `${TRACEPARENT}; rm -rf /`,
      "x".repeat(10_000),
    ];
    for (const TRACEPARENT of hostile) {
      await using collector = new OtlpCollector();
      const env = { ...NONE, ...collector.env, TRACEPARENT, TRACESTATE: "rojo=1" };
      const { code, stdout } = await taffrail(["exec", "--", "sh", "-c", TELLS], { cwd, env });
      assertEquals(code, 0);
      const run = collector.span("RUN sh");
      assertEquals(run.parentSpanId, "");
      const attempt = collector.child(collector.child(run, "sh"), "sh");
      assertEquals(stdout, `00-${run.traceId}-${attempt.spanId}-01|none\n`);
    }
  }));

Deno.test("a flow may name the span of its commands itself, and another one is no other environment", () =>
  withCollector(async ({ cwd, env }) => {
    await writeFlow(cwd, {
      env_file: ".env",
      nodes: { a: { sh: TELLS }, b: { sh: "test -e there", needs: ["a"] } },
    });
    await Deno.writeTextFile(`${cwd}/.env`, `TRACEPARENT=${TRACEPARENT}\nOTHER=1\n`);
    assertEquals((await taffrail(["run", "flow.json"], { cwd, env })).code, 1);
    assertEquals(await toldTo(cwd, "a"), `${TRACEPARENT}|`);
    await Deno.writeTextFile(`${cwd}/there`, "");
    await Deno.writeTextFile(
      `${cwd}/.env`,
      `TRACEPARENT=${TRACEPARENT.replace("01", "00")}\nOTHER=1\n`,
    );
    const { code, stdout, stderr } = await taffrail(["resume", "flow"], { cwd, env });
    assertEquals([code, stderr.includes("changed")], [0, false], stdout + stderr);
  }));

Deno.test("a drill sends nothing", () =>
  withCollector(async ({ cwd, collector, env }) => {
    await writeFlow(cwd, { nodes: { a: { run: ["true"] } } });
    const { code } = await taffrail(["drill", "--sample", "1", "flow.json"], { cwd, env });
    assertEquals([code, collector.requests], [0, []]);
  }));
