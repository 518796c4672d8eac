/**
 * A _taffrail log_ is the instrument towed from a ship's stern that records the run with nobody
 * watching, to be read afterwards. This one is for local programs: it supervises work, records what
 * happened so that **nothing it acknowledged is lost, whatever is killed and whenever**, and replays
 * it to prove that it would happen again: durable execution without a server.
 *
 * It is a command, `taffrail`, for people who write no code at all, and a module set for Deno:
 *
 * | Module | What it does |
 * | --- | --- |
 * | `supervisor` | decides what runs when, within limits and deadlines, with retries: deterministically, with a reason for each decision |
 * | `capture` | records what a supervisor was given and what it decided, and proves by replay that it would decide so again |
 * | `eventlog` | one append-only file of JSON lines a run, which many processes write at the same time and anybody reads while it is written |
 * | `trace` | keeps the last steps in memory, and writes them with what was in flight when something fails or the program dies |
 * | `store` | the state of workers and what was said to them, in files that a person can read and no crash can make unopenable |
 * | `run` | the five together: programs that survive being killed |
 *
 * Each can be imported by itself, as `@taffrail/taffrail/eventlog`; of the five none loads another.
 * This entry, `@taffrail/taffrail`, has of all of them what most programs call; types, and what is for programs that
 * put the modules together by themselves, are in their own entries.
 *
 * ```sh
 * deno install --global --allow-all --name taffrail jsr:@taffrail/taffrail/cli
 * taffrail exec -- deno test     # record one command
 * taffrail show deno             # and look at what became of it
 * ```
 *
 * @example A program that survives being killed
 * ```ts
 * import { durable } from "@taffrail/taffrail";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const root = await Deno.makeTempDir(); // ".taffrail" is where the command looks
 * const did: string[] = [];
 * const work = () =>
 *   durable({ root, runId: "report-1", name: "report" }, async (run) => {
 *     const rows = await run.step("count", () => {
 *       did.push("count");
 *       return 17;
 *     });
 *     await run.step("mail", () => {
 *       if (did.length === 1) {
 *         did.push("fail");
 *         throw new Error("no connection");
 *       }
 *       did.push("mail");
 *     });
 *     return rows;
 *   });
 *
 * await assertRejects(work, Error, "no connection"); // As well it could have been killed.
 * assertEquals(await work(), 17);
 * assertEquals(did, ["count", "fail", "mail"]); // What was recorded is not done again.
 * ```
 *
 * @example The event log alone
 * ```ts
 * import { newRunId, openEventLog, readRun } from "@taffrail/taffrail/eventlog";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const runId = await newRunId({ root, name: "import" });
 * {
 *   await using log = await openEventLog<{ file: string; rows: number }>({ root, runId });
 *   await log.append({ file: "a.csv", rows: 17 }); // survives the death of this process
 *   await log.append({ file: "b.csv", rows: 4 }, { durability: "disk" }); // and a power cut
 * }
 * let rows = 0;
 * for await (const { events } of readRun<{ rows: number }>(root, runId)) {
 *   for (const { event } of events) rows += event.rows;
 * }
 * assertEquals(rows, 21);
 * ```
 *
 * @module
 */
export {
  assertReplays,
  CaptureError,
  CaptureJournalError,
  CaptureWriteError,
  CapturingDecisionLog,
  CapturingSession,
  compareDecisions,
  computeEffectHash,
  diffBundles,
  ExternalEventPayloadError,
  parseCaptureBundle,
  readCaptureBundle,
  recoverCapture,
  replayBundle,
  ReplayDivergedError,
  ReplayError,
  resumeCapture,
  showsChange,
  showsDivergence,
  shrink,
  ShrinkError,
  stringifyCaptureBundle,
  validateBundle,
  whatIf,
  writeCaptureBundle,
  writeCaptureBundleSync,
} from "./capture/mod.ts";
export {
  deriveRunState,
  EventLogError,
  FileEventLog,
  followRun,
  isLive,
  listRuns,
  newEventId,
  newRunId,
  openEventLog,
  openEventLogSync,
  peekRun,
  probeLock,
  readRun,
  readRunSync,
  removeRun,
  repairRun,
  runEventSchema,
  runExists,
  verifyRun,
  VERSION,
} from "./eventlog/mod.ts";
export {
  durable,
  openFileRoot,
  openRun,
  passGate,
  Run,
  RunError,
  StepError,
  TaffrailError,
} from "./run/mod.ts";
export {
  computeConfigBundleDigest,
  FsRuntimeStore,
  repairStore,
  RuntimeStoreError,
  verifyStore,
  WorkerRuntime,
} from "./store/mod.ts";
export {
  createEvent,
  FaultInvoker,
  ManualTimers,
  MemoryDecisionLog,
  PumpDriver,
  Supervisor,
  systemTimers,
} from "./supervisor/mod.ts";
export {
  hashJsonText,
  hashValue,
  installCrashFlush,
  parseTrace,
  readTrace,
  replayTrace,
  toChromeTrace,
  traceConfigFromEnv,
  TraceFileError,
  TraceRecorder,
} from "./trace/mod.ts";
