/** The spans of a program's run, by the real API and SDK of OpenTelemetry, and by such as do not work. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  context,
  type ContextManager,
  ROOT_CONTEXT,
  trace,
} from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { durable, openRun } from "../../../run/mod.ts";
import { eventsOf } from "../../cli/_runs.ts";
import { withMemoryDir } from "../../_util/temp.ts";

/** What keeps the active context over whatever is awaited. */
class Manager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Context,
    fn: F,
    thisArg?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(context, () => fn.apply(thisArg, args));
  }

  bind<T>(_context: Context, target: T): T {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}

/** Registers what makes spans, as a program does it. */
class Registered implements Disposable {
  readonly #exporter = new InMemorySpanExporter();

  constructor() {
    const provider = new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(this.#exporter)],
    });
    assert(trace.setGlobalTracerProvider(provider));
    assert(context.setGlobalContextManager(new Manager()));
  }

  get spans(): ReadableSpan[] {
    return this.#exporter.getFinishedSpans();
  }

  /** The only span of a name inside of another, or of none. */
  span(name: string, within?: ReadableSpan): ReadableSpan {
    const found = this.spans.filter((span) => {
      return span.name === name && span.parentSpanContext?.spanId === within?.spanContext().spanId;
    });
    assertEquals(found.length, 1, `${name}: ${this.spans.map(({ name }) => name)}`);
    return found[0]!;
  }

  [Symbol.dispose](): void {
    trace.disable();
    context.disable();
  }
}

function ms([seconds, nanos]: [number, number]): number {
  return seconds * 1000 + nanos / 1e6;
}

/** Whether a span lies in another one. */
function isWithin(inner: ReadableSpan, outer: ReadableSpan): boolean {
  return ms(inner.startTime) >= ms(outer.startTime) && ms(inner.endTime) <= ms(outer.endTime);
}

Deno.test("a program's run is a span, with its steps, their attempts, and what they do inside of these", () =>
  withMemoryDir(async (root) => {
    using registered = new Registered();
    const told: string[] = [];
    await durable({ root, runId: "order-1", name: "order" }, async (run) => {
      await run.step("list", async ({ env }) => {
        told.push(env.TRACEPARENT!);
        await trace.getTracer("own").startActiveSpan("fetch", async (span) => {
          await Promise.resolve();
          trace.getTracer("own").startSpan("parse").end();
          span.end();
        });
      });
      await run.step("charge", ({ attempt }) => {
        if (attempt === 1) throw new RangeError("busy");
      }, { retry: { maxRetries: 1, delayMs: 1 } });
      await run.sleep("settle", 1);
    });
    const run = registered.span("RUN order");
    assertEquals(run.attributes["cicd.pipeline.name"], "order");
    assertEquals(run.attributes["cicd.pipeline.run.id"], "order-1");
    assertEquals(run.attributes["cicd.pipeline.result"], "success");
    assertEquals([run.kind, run.status.code], [1, 0]);
    const list = registered.span("list", run);
    const attempt = registered.span("list", list);
    assertEquals(list.attributes["cicd.pipeline.task.run.id"], "order-1/list");
    assertEquals(attempt.attributes["cicd.pipeline.task.run.id"], "order-1/list#1");
    const { traceId, spanId } = attempt.spanContext();
    assertEquals(told, [`00-${traceId}-${spanId}-01`]);
    const fetched = registered.span("fetch", attempt);
    registered.span("parse", fetched);
    // What a program's own span says goes by another clock, and is finer.
    for (const [inner, outer] of [[attempt, list], [list, run]] as const) {
      assert(isWithin(inner, outer), `${inner.name} in ${outer.name}`);
    }

    const charge = registered.span("charge", run);
    const first = registered.span("charge", charge);
    const second = registered.span("charge (attempt 2)", charge);
    assertEquals(first.status, { code: 2, message: "RangeError: busy" });
    assertEquals(first.attributes["error.type"], "RangeError");
    assertEquals(first.attributes["cicd.pipeline.task.run.result"], "failure");
    assertEquals(
      first.events.map(({ name, attributes }) => [name, attributes!["exception.type"]]),
      [
        ["exception", "RangeError"],
      ],
    );
    const [link] = second.links;
    assertEquals(link!.context.spanId, first.spanContext().spanId);
    assertEquals(link!.attributes, { "taffrail.link": "retry" });
    assertEquals(charge.attributes["cicd.pipeline.task.run.result"], "success");
    assertEquals(charge.events.map(({ name }) => name), ["backoff"]);
    assertEquals(registered.span("settle", run).attributes["taffrail.wait"], "sleep");
    assertEquals(new Set(registered.spans.map((span) => span.spanContext().traceId)).size, 1);
    const [begun] = eventsOf(root, "order-1");
    assertEquals(
      Reflect.get(begun!, "traceparent"),
      `00-${traceId}-${run.spanContext().spanId}-01`,
    );
  }));

Deno.test("a run is in the span that is active where it is opened, and so is one that is gone on with elsewhere", () =>
  withMemoryDir(async (root) => {
    using registered = new Registered();
    const tracer = trace.getTracer("own");
    let isUp = false;
    const order = () =>
      durable({ root, runId: "order-1", name: "order" }, async (run) => {
        await run.step("mail", () => {
          if (!isUp) throw new Error("no connection");
        });
      });
    await tracer.startActiveSpan("request", async (span) => {
      await assertRejects(order);
      span.end();
    });
    isUp = true;
    // By itself it goes on in the span of the sitting before.
    await order();
    const first = registered.span("RUN order", registered.span("request"));
    assertEquals(first.status.code, 2);
    assertEquals(first.attributes["cicd.pipeline.result"], "failure");
    const second = registered.span("RUN order", first);
    assertEquals(second.attributes["taffrail.run.sitting"], 2);
    assertEquals(second.links.map(({ context }) => context.spanId), [first.spanContext().spanId]);
    registered.span("mail (attempt 2)", registered.span("mail", second));
    assertEquals(new Set(registered.spans.map((span) => span.spanContext().traceId)).size, 1);
  }));

Deno.test("one that is gone on with as a part of something else has a link to the sitting before", () =>
  withMemoryDir(async (root) => {
    using registered = new Registered();
    {
      await using run = await openRun({ root, runId: "order-1", name: "order" });
      await run.step("a", () => {});
    }
    const [before] = registered.spans.filter(({ name }) => name === "RUN order");
    assertEquals(before!.attributes["cicd.pipeline.result"], "cancellation");
    await trace.getTracer("own").startActiveSpan("request", async (span) => {
      await using run = await openRun({ root, runId: "order-1", name: "order" });
      await run.finish();
      span.end();
    });
    const after = registered.span("RUN order", registered.span("request"));
    assert(after.spanContext().traceId !== before!.spanContext().traceId);
    assertEquals(after.links.map(({ context, attributes }) => [context.spanId, attributes]), [
      [before!.spanContext().spanId, { "taffrail.link": "resumed" }],
    ]);
  }));

Deno.test("work that is submitted, and runs side by side, is in spans of its own", () =>
  withMemoryDir(async (root) => {
    using registered = new Registered();
    const run = await openRun({
      root,
      name: "thumbnails",
      constraints: { max_in_flight: 2 },
      invoker: {
        run: async ({ eventId }) => {
          await Promise.resolve();
          trace.getTracer("own").startSpan(`draw ${eventId}`).end();
          return eventId === "c" ? "TimedOut" : "Completed";
        },
      },
    });
    for (const id of ["a", "b", "c"]) await run.submit(id, {});
    await run.finish();
    const all = registered.span("RUN thumbnails");
    assertEquals(all.attributes["cicd.pipeline.result"], "timeout");
    for (const id of ["a", "b", "c"]) {
      const node = registered.span(id, all);
      registered.span(`draw ${id}`, registered.span(id, node));
      const expected = id === "c" ? "timeout" : "success";
      assertEquals(node.attributes["cicd.pipeline.task.run.result"], expected);
    }
    assertEquals(registered.span("c", all).events.map(({ name }) => name), ["deferred"]);
  }));

const API = Symbol.for("opentelemetry.js.api.1");

function fail(): never {
  throw new Error("no good");
}

/** What can be registered, and does not work. */
const BROKEN: Record<string, object> = {
  "gives no tracer": { trace: { getTracer: () => undefined } },
  "throws when it is asked for a tracer": { trace: { getTracer: fail } },
  "has tracers that throw": { trace: { getTracer: () => ({ startSpan: fail }) } },
  "has tracers that give nothing": { trace: { getTracer: () => ({ startSpan: () => undefined }) } },
  "has spans that throw": {
    trace: {
      getTracer: () => ({
        startSpan: () => ({
          spanContext: fail,
          setAttribute: fail,
          setStatus: fail,
          addEvent: fail,
          end: fail,
        }),
      }),
    },
  },
  "has a manager of contexts that throws": {
    trace: { getTracer: () => ({ startSpan: () => ({ spanContext: () => ({}) }) }) },
    context: { active: fail, with: fail },
  },
  "has one that calls twice, and then throws": {
    trace: { getTracer: () => ({ startSpan: () => ({ spanContext: () => ({}) }) }) },
    context: {
      active: () => ({ getValue: fail, setValue: () => ({}) }),
      with: (_context: unknown, call: () => void) => {
        call();
        call();
        fail();
      },
    },
  },
};

for (const [how, api] of Object.entries(BROKEN)) {
  Deno.test(`a run goes as it would where what is registered ${how}`, () =>
    withMemoryDir(async (root) => {
      Reflect.set(globalThis, API, api);
      try {
        const calls: number[] = [];
        const result = await durable(
          { root, name: "order" },
          (run) =>
            run.step("a", ({ attempt }) => {
              calls.push(attempt);
              if (attempt === 1) throw new Error("again");
              return 7;
            }, { retry: { maxRetries: 1 } }),
        );
        assertEquals([result, calls], [7, [1, 2]]);
      } finally {
        Reflect.deleteProperty(globalThis, API);
      }
    }));
}

Deno.test("without anything registered no step is told of a span", () =>
  withMemoryDir(async (root) => {
    const told = await durable(
      { root, runId: "order-1", name: "order" },
      (run) => run.step("a", ({ env }) => Object.keys(env)),
    );
    assertEquals(told.filter((name) => /^TRACE/.test(name)), []);
    const [begun] = eventsOf(root, "order-1");
    assertEquals(Object.keys(begun!).filter((name) => /trace|span/.test(name)), []);
    assertMatch(begun!.type, /^pipe\.started$/);
  }));
