/**
 * Lesson 2: a supervisor decides what runs when: at most two at a time, at most three in ten
 * seconds, and twice more what fails in passing. It has no clock: time comes with the events.
 *
 * Run: deno run examples/02_supervisor.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { createEvent, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";

const decisionLog = new MemoryDecisionLog();
const supervisor = new Supervisor({
  graphId: "thumbnails",
  mode: "concurrent",
  constraints: {
    max_in_flight: 2,
    max_per_window: 3,
    rate_window: { secs: 10, nanos: 0 },
    max_retries: 2,
  },
  decisionLog,
  invoker: {
    // Your work goes here. What it answers decides on what happens next.
    run: ({ eventId, attempt }) =>
      eventId === "b.png" && attempt === 1 ? { Failed: "NetworkTimeout" } : "Completed",
  },
});

const files = ["a.png", "b.png", "c.png", "d.png"];
for (const [secs, id] of files.entries()) {
  await supervisor.onEvent(createEvent({ id, kind: "Command", at: { secs, nanos: 0 } }));
}
// What has to wait runs when the time for it has come and somebody says so.
await supervisor.onEvent(createEvent({ id: "tick", kind: "Pump", at: { secs: 10, nanos: 0 } }));
await supervisor.idle();
await supervisor.close();

for (const { originEventId, decision, reason, attemptTermination } of decisionLog.entries) {
  const end = attemptTermination === null ? "" : `, after ${JSON.stringify(attemptTermination)}`;
  console.log(`${originEventId ?? "-"}: ${decision} (${reason}${end})`);
}
