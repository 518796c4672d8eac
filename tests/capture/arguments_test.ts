/** Calls from JavaScript that lack something, or have another type, name it. */
import { assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  CapturingSession,
  compareDecisions,
  diffBundles,
  openCaptureJournal,
  parseCaptureBundle,
  readCaptureBundle,
  recordEvent,
  recoverCapture,
  rehydrateEvent,
  replayBundle,
  resumeCapture,
  stringifyCaptureBundle,
  validateBundle,
  writeCaptureBundle,
  writeCaptureBundleSync,
} from "../../capture/mod.ts";
import { FaultInvoker, MemoryDecisionLog } from "../../supervisor/mod.ts";
import { createSupervisor, RUNTIME, sampleBundle } from "./_util.ts";

const GIVEN = {
  graphId: "g",
  constraints: { max_retries: 0 },
  decisionLog: new MemoryDecisionLog(),
  invoker: new FaultInvoker(),
  createSupervisor,
  runtimeProvenance: RUNTIME,
};

function session(wrong: object): () => unknown {
  return () => new CapturingSession({ ...GIVEN, ...wrong } as never);
}

const none = undefined as never;

Deno.test("what throws names the argument", async () => {
  const bundle = await sampleBundle();
  const cases: [() => unknown, string][] = [
    [() => new CapturingSession(none), "options: expected an object, got undefined"],
    [session({ createSupervisor: undefined }), "createSupervisor: expected a function, got undef"],
    [session({ constraints: undefined }), "constraints: expected an object, got undefined"],
    [session({ graphId: undefined }), "graphId: expected a string, got undefined"],
    [session({ decisionLog: undefined }), "decisionLog: it has no method log"],
    [session({ invoker: () => {} }), "invoker: it has no method run"],
    [session({ runtimeProvenance: undefined }), "runtimeProvenance: expected a string"],
    [session({ adapterProvenance: 1 }), "adapterProvenance: expected a string, got 1"],
    [session({ egressProvenance: null }), "egressProvenance: expected a string, got null"],
    [session({ journal: "capture.jsonl" }), "journal: it has no method append"],
    [session({ redact: {} }), "redact: expected a function, got an object"],
    [() => openCaptureJournal(none), "path: expected a string, got undefined"],
    [() => openCaptureJournal("x", null as never), "options: expected an object, got null"],
    [
      () => openCaptureJournal("x", { durability: "safe" as never }),
      'durability: expected os or disk, got "safe"',
    ],
    [
      () => openCaptureJournal("x", { lockTimeoutMs: "5" as never }),
      'lockTimeoutMs: expected a number, got "5"',
    ],
    [() => parseCaptureBundle(none), "text: expected a text or a Uint8Array"],
    [() => stringifyCaptureBundle(none), "bundle: expected an object, got undefined"],
    [() => validateBundle(none), "bundle: expected an object, got undefined"],
    [() => validateBundle({ ...bundle, events: none }), "bundle.events: expected an array"],
    [() => validateBundle({ ...bundle, decisions: none }), "bundle.decisions: expected an array"],
    [() => diffBundles(bundle, none), "b: expected an object, got undefined"],
    [() => compareDecisions(none, []), "captured: expected an array, got undefined"],
    [() => recordEvent(none), "event: expected an object, got undefined"],
    [() => rehydrateEvent(none), "record: expected an object, got undefined"],
    [() => writeCaptureBundleSync(none, bundle), "path: expected a string, got undefined"],
  ];
  for (const [call, message] of cases) assertThrows(call, TypeError, `Cannot use ${message}`);
});

Deno.test("what rejects names the argument", async () => {
  const bundle = await sampleBundle();
  const journalPath = "capture.jsonl";
  const cases: [() => Promise<unknown>, string][] = [
    [() => replayBundle(none, { createSupervisor }), "bundle: expected an object"],
    [() => replayBundle(bundle, none), "options: expected an object, got undefined"],
    [() => replayBundle(bundle, {} as never), "createSupervisor: expected a function"],
    [() => assertReplays(bundle, {} as never), "createSupervisor: expected a function"],
    [
      () => replayBundle(bundle, { createSupervisor, invoker: {} as never }),
      "invoker: it has no method run",
    ],
    [
      () => replayBundle(bundle, { createSupervisor, timers: {} as never }),
      "timers: it has no method now",
    ],
    [() => resumeCapture(none), "options: expected an object, got undefined"],
    [() => resumeCapture(GIVEN as never), "journalPath: expected a string, got undefined"],
    [
      () => resumeCapture({ ...GIVEN, journalPath, invoker: none }),
      "invoker: it has no method run",
    ],
    [() => recoverCapture(none), "the journal: expected its path, or its lines"],
    [() => readCaptureBundle(none), "path: expected a string, got undefined"],
    [() => writeCaptureBundle(none, bundle), "path: expected a string, got undefined"],
  ];
  for (const [call, message] of cases) {
    await assertRejects(call, TypeError, `Cannot use ${message}`);
  }
});
