/**
 * Lesson 10: a recording of hundreds of inputs says that another limit would change something, and one of
 * a few says what. These few are found by leaving the others out, and are kept as the fixture of a test.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/10_shrink.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import {
  assertReplays,
  CapturingSession,
  readCaptureBundle,
  showsChange,
  shrink,
  whatIf,
  writeCaptureBundle,
} from "@taffrail/taffrail/capture";
import {
  createEvent,
  ManualTimers,
  MemoryDecisionLog,
  PumpDriver,
  Supervisor,
  type SupervisorOptions,
} from "@taffrail/taffrail/supervisor";

const directory = ".taffrail-examples/shrink";
await Deno.mkdir(directory, { recursive: true });
const path = `${directory}/no_retries.json`;
const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);

// A day of thumbnails in no time: each takes two seconds, and every fiftieth finds the disk busy at first.
const timers = new ManualTimers();
const session = new CapturingSession({
  graphId: "thumbnails",
  mode: "concurrent",
  constraints: { max_in_flight: 2, max_retries: 1 },
  decisionLog: new MemoryDecisionLog(),
  invoker: {
    run: ({ eventId, attempt }) =>
      new Promise((resolve) => {
        const isBusy = eventId.endsWith("49.png") && attempt === 1;
        const end = { secs: timers.now().secs + 2, nanos: 0 };
        timers.setTimer(end, () => resolve(isBusy ? { Failed: "NetworkTimeout" } : "Completed"));
      }),
  },
  createSupervisor,
  runtimeProvenance: "rpv1:sha256:demo",
  timers,
});
{
  using pump = new PumpDriver({ supervisor: session.supervisor, timers });
  for (let image = 0; image < 200; image++) {
    const event = createEvent({ id: `${image}.png`, kind: "Command", at: timers.now() });
    await session.onEvent(event);
    await pass(1);
  }
  while (session.supervisor.inFlight.length > 0) await pass(1);
  await pump.drained();
}

/** Lets seconds pass, and everybody do what follows. */
async function pass(secs: number): Promise<void> {
  timers.advance({ secs, nanos: 0 });
  await new Promise((resolve) => setTimeout(resolve));
}

const bundle = session.intoBundle();
console.log(`${bundle.decisions.length} decisions were recorded`);

// Somebody wants no retries any more. What would that have changed?
const options = { constraints: { max_retries: 0 }, createSupervisor };
const { attempts } = await whatIf(bundle, options);
const changed = attempts.filter(({ isChanged }) => isChanged);
console.log(`without retries ${changed.length} attempts would have gone otherwise`);

// The fewest inputs that show it: halves are left out, then quarters, as long as the rest still shows it.
const smallest = await shrink(bundle, showsChange(options), { createSupervisor });
for (const { event_id: id, decision, ...record } of smallest.bundle.decisions) {
  console.log(`  ${id}: ${decision} (${"reason" in record ? record.reason : ""})`);
}
console.log(
  `these ${smallest.bundle.decisions.length} are enough, as ${smallest.tests} tests show`,
);
await writeCaptureBundle(path, smallest.bundle, { style: "pretty" });

// And the test that is kept: today's limits still decide so, and the others would not.
const fixture = await readCaptureBundle(path);
await assertReplays(fixture, { createSupervisor });
const [first] = (await whatIf(fixture, options)).attempts;
console.log(`kept: ${first?.recorded?.ended?.reason}, would be ${first?.whatIf?.ended?.reason}`);
