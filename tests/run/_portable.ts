/** What is pure, used as a program for Node, Bun or Deno would: nothing here touches files or `Deno`. */
import {
  parseCaptureBundle,
  readCaptureBundle,
  recoverCapture,
  replayBundle,
  stringifyCaptureBundle,
  writeCaptureBundle,
} from "../../capture/mod.ts";
import {
  deriveRunState,
  listRuns,
  newRunId,
  openEventLog,
  readRun,
  type RunEvent,
  verifyRun,
} from "../../eventlog/mod.ts";
import { openRun } from "../../run/mod.ts";
import { FsRuntimeStore, verifyStore, WorkerRuntime } from "../../store/mod.ts";
import {
  createEvent,
  MemoryDecisionLog,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import {
  hashValue,
  installCrashFlush,
  parseTrace,
  readTrace,
  replayTrace,
  toChromeTrace,
  TraceRecorder,
} from "../../trace/mod.ts";

/** The records of a run, as texts. */
export interface Records {
  bundle: string;
  events: string;
  trace: string;
}

const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);

/** What the records say. */
export async function readRecords(records: Records): Promise<unknown> {
  const bundle = parseCaptureBundle(records.bundle);
  const { ok, divergences } = await replayBundle(bundle, { createSupervisor });
  const events = records.events.trimEnd().split("\n").map((line): RunEvent => JSON.parse(line));
  const trace = parseTrace(records.trace);
  const again = await replayTrace(trace, () => null);
  return {
    replay: { ok, divergences },
    isSameText: stringifyCaptureBundle(bundle) === records.bundle,
    state: deriveRunState(events),
    chrome: toChromeTrace(trace),
    steps: again.steps.map(({ operation, outcome }) => [operation, outcome]),
    hash: hashValue({ b: 1, a: [] }),
  };
}

/** What a supervisor decides about an event whose first attempt fails. */
export async function superviseOnce(): Promise<unknown> {
  const decisionLog = new MemoryDecisionLog();
  const supervisor = new Supervisor({
    graphId: "g",
    constraints: { max_retries: 1 },
    mode: "concurrent",
    decisionLog,
    invoker: { run: ({ attempt }) => attempt === 1 ? { Failed: "RuntimeError" } : "Completed" },
  });
  const at = { secs: 1, nanos: 0 };
  await supervisor.onEvent(createEvent({ id: "e", kind: "Command", at, payload: '{"n":1}' }));
  await supervisor.close();
  return decisionLog.entries;
}

/** What is said by each function that cannot do without files. */
export async function callWithoutFiles({ bundle }: Records): Promise<Record<string, string>> {
  const place = { root: "root", runId: "run" };
  const recorder = new TraceRecorder({ context: { pack_ref: "p", flow_id: "f" } });
  const calls: Record<string, () => unknown> = {
    openEventLog: () => openEventLog(place),
    readRun: () => readRun("root", "run")[Symbol.asyncIterator]().next(),
    listRuns: () => listRuns("root"),
    newRunId: () => newRunId({ root: "root", name: "run" }),
    verifyRun: () => verifyRun("root", "run"),
    readCaptureBundle: () => readCaptureBundle("bundle.json"),
    recoverCapture: () => recoverCapture("capture.jsonl"),
    writeCaptureBundle: () => writeCaptureBundle("bundle.json", parseCaptureBundle(bundle)),
    openRuntime: () => WorkerRuntime.open({ root: "root", runtimeId: "run" }),
    openStore: () => FsRuntimeStore.open({ root: "root", runtimeId: "run", readOnly: true }),
    verifyStore: () => verifyStore("root"),
    readTrace: () => readTrace("trace.json"),
    installCrashFlush: () => installCrashFlush(recorder),
    flushBuffer: async () => {
      const flush = await recorder.flushBuffer();
      if (flush.outcome === "failed") throw flush.error;
    },
    openRun: () =>
      openRun({
        root: "root",
        name: "run",
        constraints: { max_retries: 0 },
        invoker: { run: () => "Completed" },
      }),
  };
  const said: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    try {
      await call();
      said[name] = "nothing was thrown";
    } catch (error) {
      said[name] = error instanceof Error ? error.message : String(error);
    }
  }
  return said;
}
