/** Spans and drawn traces of runs in a database, of which workers make attempts. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { lookAt } from "../cli/_chrome.ts";
import { startTaffrail, taffrail } from "../cli/_command.ts";
import { OtlpCollector } from "../_util/otlp_collector.ts";
import { idIn, type Place, withPlace, writeFlowIn } from "./_place.ts";

const OTHER = "00-11111111111111111111111111111111-2222222222222222-01";

/** Starts a worker that is itself a part of another trace, and has headers of its own; it is at work when this resolves. */
async function startWorker({ cwd, env }: Place) {
  const own = {
    TRACEPARENT: OTHER,
    TRACESTATE: "other=1",
    OTEL_EXPORTER_OTLP_HEADERS: "api-key=w0rkers-k3y",
  };
  const running = startTaffrail(["work", "--name", "one"], { cwd, env: { ...env, ...own } });
  await running.stderr.find(/^worker /);
  return running;
}

const TELLS = 'echo "${TRACEPARENT-}|${TRACESTATE-none}|$OTEL_EXPORTER_OTLP_HEADERS"';

Deno.test("what a worker runs is told the span of its attempt, and what it waits for is drawn", () =>
  withPlace(async (place) => {
    const { cwd, command, env } = place;
    await using collector = new OtlpCollector();
    await writeFlowIn(cwd, {
      name: "spread",
      nodes: { a: { run: ["true"] }, b: { sh: TELLS, needs: ["a"] } },
    });
    await using _worker = await startWorker(place);
    const ran = await taffrail(["run", "flow.json", "--workers"], {
      cwd,
      env: { ...env, ...collector.env, TRACEPARENT: "", TRACESTATE: "" },
    });
    assertEquals([ran.code, ran.stderr], [0, ""]);
    const runId = idIn(ran.stdout);
    const attempt = collector.child(collector.child(collector.span("RUN spread"), "b"), "b");
    assertEquals(attempt.attributes["cicd.worker.name"], "one");
    const { stdout } = await command("logs", runId, "b");
    assertEquals(stdout, `b | 00-${attempt.traceId}-${attempt.spanId}-01|none|api-key=***\n`);

    // Without spans a command is told what the holder of the run was told, and never what the worker was.
    const given = OTHER.replaceAll("1", "3");
    for (const [told, expected] of [[given, `${given}|none|`], ["", "|none|"]] as const) {
      const plain = await taffrail(["run", "flow.json", "--workers"], {
        cwd,
        env: { ...env, TRACEPARENT: told, TRACESTATE: "" },
      });
      const printed = await command("logs", idIn(plain.stdout), "b");
      assert(printed.stdout.startsWith(`b | ${expected}`), printed.stdout);
    }

    const drawn = await command("trace", "--chrome", "-", runId);
    assertEquals(drawn.code, 0);
    const trace = await lookAt(drawn.stdout);
    const attempts = trace.slices("attempt");
    assertEquals(attempts.map(({ name }) => name), ["a", "b"]);
    assertMatch(trace.threadOf(attempts[0]!), /^worker one > lane 1$/);
    assertEquals(attempts[1]!.args.needs, "a");
    const shown = await command("show", "--json", runId);
    assertEquals(JSON.parse(shown.stdout).trace_id, attempt.traceId);
  }));
