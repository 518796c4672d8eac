/** A durable program that makes spans of its own, with what Deno registers by `OTEL_DENO=true`. */
import { durable } from "../../../run/mod.ts";

const tracer = Deno.telemetry.tracerProvider.getTracer("own");

await durable({ root: ".taffrail", runId: "order-1", name: "order" }, async (run) => {
  await run.step("list", async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    tracer.startSpan("query").end();
  });
  await run.step("charge", ({ attempt }) => {
    if (attempt === 1) throw new RangeError("busy");
  }, { retry: { maxRetries: 1 } });
});
