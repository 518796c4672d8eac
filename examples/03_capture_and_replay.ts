/**
 * Lesson 3: a session is recorded while it runs, and replayed: the same inputs must lead to the same
 * decisions. Then the rules are changed, and the replay names the first decision that differs.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/03_capture_and_replay.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import {
  CapturingSession,
  formatDivergence,
  openCaptureJournal,
  readCaptureBundle,
  recoverCapture,
  replayBundle,
  writeCaptureBundle,
} from "@taffrail/taffrail/capture";
import {
  createEvent,
  MemoryDecisionLog,
  Supervisor,
  type SupervisorOptions,
} from "@taffrail/taffrail/supervisor";

const directory = ".taffrail-examples/capture";
await Deno.mkdir(directory, { recursive: true });
const journal = `${directory}/${crypto.randomUUID()}.jsonl`;
const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);

const session = new CapturingSession({
  graphId: "thumbnails",
  mode: "concurrent",
  constraints: { max_in_flight: 1, max_retries: 1 },
  decisionLog: new MemoryDecisionLog(),
  invoker: { run: ({ eventId }) => eventId === "b.png" ? "TimedOut" : "Completed" },
  createSupervisor,
  runtimeProvenance: "rpv1:sha256:demo",
  journal: openCaptureJournal(journal),
});
for (const [secs, id] of ["a.png", "b.png"].entries()) {
  await session.onEvent(createEvent({ id, kind: "Command", at: { secs, nanos: 0 } }));
}
await session.supervisor.idle();
await session.close();

// The bundle is the recording in one file; a session that was killed has its journal.
const path = `${directory}/capture.json`;
await writeCaptureBundle(path, session.intoBundle());
const { undecided } = await recoverCapture(journal);
console.log(`${undecided.length} events were never decided on`);

const bundle = await readCaptureBundle(path);
const report = await replayBundle(bundle, { createSupervisor });
console.log(`replayed as recorded: ${report.ok}`);

const changed = { ...bundle, config: { ...bundle.config, max_retries: 0 } };
const { divergences } = await replayBundle(changed, { createSupervisor });
console.log(`without retries: ${formatDivergence(divergences[0]!)}`);
