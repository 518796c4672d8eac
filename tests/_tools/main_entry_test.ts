import { assert, assertEquals } from "@std/assert";
import * as everything from "../../mod.ts";
import * as capture from "../../capture/mod.ts";
import * as eventlog from "../../eventlog/mod.ts";
import * as run from "../../run/mod.ts";
import * as store from "../../store/mod.ts";
import * as supervisor from "../../supervisor/mod.ts";
import * as trace from "../../trace/mod.ts";

/** For programs that put the modules together by themselves, as the command does. */
const FOR_COMPOSITIONS = [
  "CAPTURE_VERSION",
  "DEFAULT_LOCK_TIMEOUT_MS",
  "DEFAULT_RUNTIME_LIMITS",
  "NO_ADAPTER_PROVENANCE",
  "RunFold",
  "TAFFRAIL_CAPTURE_VERSION",
  "attemptChange",
  "checkProvenance",
  "computeIntentId",
  "computePayloadHash",
  "formatDivergence",
  "hasValidHash",
  "isKnownRunEvent",
  "journalOver",
  "lastRuntimeOf",
  "openCaptureJournal",
  "readCaptureLines",
  "recordEvent",
  "rehydrateEvent",
  "removeRuntime",
  "resolvePackPath",
  "resolveTraceCall",
  "runtimeDirectory",
  "rewriteCaptureLines",
  "setRuntimeAside",
  "stringifyCaptureJournal",
  "sweepRemovedRuns",
  "validateInvocation",
  "verifyLog",
  "viewRun",
];

Deno.test("the main entry has what can be called of the modules, but what is for compositions", () => {
  const modules = [capture, eventlog, run, store, supervisor, trace];
  const names = new Set(modules.flatMap((module) => Object.keys(module)));
  for (const name of FOR_COMPOSITIONS) assert(names.delete(name), name);
  assertEquals(Object.keys(everything).toSorted(), [...names].toSorted());
  for (const [name, value] of Object.entries(everything)) {
    assert(modules.some((module) => Reflect.get(module, name) === value), name);
  }
});
