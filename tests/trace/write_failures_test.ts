import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { denoFilePort } from "../../_internal/file_port.ts";
import { readTrace, TraceFileError, type TraceFlush, TraceRecorder } from "../../trace/mod.ts";
import { recorderOnPort } from "../../trace/trace_recorder.ts";
import { everyCut } from "../_util/every_cut.ts";
import { everyFailure } from "../_util/every_failure.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { comesFrom } from "../_util/fault_run.ts";
import { isThere, namesIn, readText, write } from "../_util/files.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { eventOf, nodesOf, optionsFor, readEnvelope } from "./_util.ts";

const FAULT = new Error("No space left on device (os error 28)");
const ALL = ["a first", "b second", "c ok"];

/** A traced program: two nodes fail, one does well; then the trace is asked for. */
async function traced(port: FaultPort, directory: string) {
  const errors: TraceFileError[] = [];
  const onWriteError = (error: TraceFileError) => {
    errors.push(error);
    throw new Error("what this throws is ignored");
  };
  const recorder = recorderOnPort(port, { ...optionsFor(directory), onWriteError });
  recorder.onNodeError(eventOf("a"), new Error("first"));
  recorder.onNodeError(eventOf("b"), new Error("second"));
  const duringNodes = errors.length;
  recorder.onNodeEnd(eventOf("c"), 1);
  const flush = await recorder.flushBuffer();
  return { recorder, errors, duringNodes, flush };
}

function sweepAll(directory: string): void {
  if (isThere(directory)) sweepTempsSync(denoFilePort, directory, () => true);
}

/** Is created by the recorder. */
const FOLDER = "/new/deep";

Deno.test("the n-th call fails: the program ends normally, is told why, and the next flush makes up for it", async () => {
  const faults = await everyFailure(
    async (port, root, acknowledged: Awaited<ReturnType<typeof traced>>[]) => {
      acknowledged.push(await traced(port, root + FOLDER));
    },
    async (root, { call, error, acknowledged: [run], port }) => {
      assertEquals(error, undefined);
      const { recorder, errors, flush, duringNodes } = run!;
      for (const told of errors) {
        assertInstanceOf(told, TraceFileError);
        assert(comesFrom(told, (cause) => cause === FAULT), told.message);
      }
      assert(errors.length <= 1);
      // What no error was told of is what helps, and does not matter: sweeping.
      if (call !== undefined && errors.length === 0) {
        assert(["readDirSync", "removeSync"].includes(call.name), call.name);
      }
      sweepAll(root + FOLDER);
      if (flush.outcome === "failed") {
        assertEquals([flush.error, recorder.lastWriteError], [errors[0]!, errors[0]!]);
        assertEquals(recorder.flushSuccessSync().outcome, "written");
      } else assertEquals(flush.outcome, "written");
      assertEquals(recorder.lastWriteError, undefined);
      assertEquals(nodesOf(await readTrace(recorder.path)), ALL);
      // Each failure that reached the disk is there, at the latest when a later one was written.
      if (duringNodes === 0) {
        assertEquals(nodesOf(readEnvelope(`${root}${FOLDER}/trace.1.json`)), ["a first"]);
      }
      const image = `${root}/../image`;
      if (call === undefined || flush.outcome === "failed") return;
      port.crashImage(image, 0);
      assertEquals(nodesOf(readEnvelope(`${image}${FOLDER}/trace.json`)), ALL);
    },
    { error: FAULT },
  );
  assert(faults > 30, `${faults}`);
});

Deno.test("every call from the n-th fails: the program ends normally, and says why there is no trace", async () => {
  await everyFailure(
    async (port, root, acknowledged: Awaited<ReturnType<typeof traced>>[]) => {
      acknowledged.push(await traced(port, `${root}/new`));
    },
    (root, { call, error, acknowledged: [run] }) => {
      assertEquals(error, undefined);
      const path = `${root}/new/trace.json`;
      if (call === undefined) return assertEquals(nodesOf(readEnvelope(path)), ALL);
      if (isThere(path)) readEnvelope(path);
      const { flush, recorder, errors } = run!;
      if (errors.length === 0) return assertEquals(call.name, "removeSync");
      if (flush.outcome !== "failed") return;
      assertEquals(flush.error, errors.at(-1)!);
      assertEquals(recorder.lastWriteError, errors.at(-1)!);
    },
    { error: FAULT, andLater: true },
  );
});

Deno.test("the power goes: what was said to be written is there, whole (W-TRC-2)", async () => {
  const { images } = await everyCut(
    (port: FaultPort, root, acknowledged: string[]) => {
      const recorder = recorderOnPort(port, optionsFor(`${root}/new`));
      for (const node of ["a", "b", "c"]) {
        recorder.onNodeError(eventOf(node), new Error("boom"));
        if (recorder.lastWriteError !== undefined) throw recorder.lastWriteError;
        acknowledged.push(node);
      }
    },
    (image, { acknowledged }) => {
      const path = `${image}/new/trace.json`;
      if (acknowledged.length === 0 && !isThere(path)) return;
      const nodes = readEnvelope(path).steps.map(({ node_id }) => node_id);
      assert(nodes.length >= acknowledged.length);
      assertEquals(nodes.slice(0, acknowledged.length), [...acknowledged]);
      for (let number = 1; number < acknowledged.length; number++) {
        assertEquals(readEnvelope(`${image}/new/trace.${number}.json`).steps.length, number);
      }
    },
    { seeds: longCount(4, 32) },
  );
  assert(images > 100, `${images}`);
});

Deno.test("directories that were created are synced once, the file and its own directory each time (W-TRC-2)", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    const recorder = recorderOnPort(port, optionsFor(`${directory}/a/b`));
    recorder.flushBufferSync();
    assertEquals(port.count("syncSync"), 4);
    recorder.flushBufferSync();
    assertEquals(port.count("syncSync"), 6);
    assertEquals(port.openCount, 0);
  }));

Deno.test("a directory that cannot be created, with the seed's message (TRC-16, TRC-18)", () =>
  withTempDir(async (directory) => {
    write(`${directory}/file`, "");
    const recorder = new TraceRecorder(optionsFor(`${directory}/file/sub`));
    recorder.onNodeStart(eventOf("a"));
    recorder.onNodeError(eventOf("a"), new Error("boom"));
    const error = recorder.lastWriteError!;
    assertEquals([error.kind, error.details.path], ["create-directory", `${directory}/file/sub`]);
    assertMatch(error.message, /^failed to create .*\/file\/sub: .*\(os error \d+\)/);
    assert(error.cause instanceof Error);
    for (const flush of [await recorder.flushError("x"), recorder.flushSuccessSync()]) {
      assertEquals(flush.outcome, "failed");
    }
  }));

Deno.test("a file in the place of the directory, by way of a link too, with the seed's message (TRC-16)", () =>
  withTempDir((directory) => {
    write(`${directory}/file`, "as it was");
    Deno.symlinkSync(`${directory}/file`, `${directory}/link`);
    Deno.symlinkSync(`${directory}/nowhere`, `${directory}/dangling`);
    for (const name of ["file", "link", "dangling"]) {
      const folder = `${directory}/${name}`;
      const flush = new TraceRecorder(optionsFor(folder)).flushBufferSync();
      assert(flush.outcome === "failed");
      assertEquals([flush.error.kind, flush.error.details.path], ["create-directory", folder]);
      assertMatch(flush.error.message, new RegExp(`^failed to create ${folder}: `));
    }
    assertEquals(namesIn(directory), ["dangling", "file", "link"]);
    assertEquals(readText(`${directory}/file`), "as it was");
  }));

Deno.test("a directory in the place of the file, with the seed's message, and nothing left behind (TRC-15, TRC-16, W-TRC-2)", () =>
  withTempDir((directory) => {
    Deno.mkdirSync(`${directory}/trace.json/full`, { recursive: true });
    const recorder = new TraceRecorder(optionsFor(directory));
    const flush = recorder.flushErrorSync(new Error("boom"));
    assert(flush.outcome === "failed");
    assertEquals(flush.error.kind, "rename");
    const path = `${directory}/trace.json`;
    assertMatch(flush.error.message, new RegExp(`^rename ${path}\\.[\\d.]+tmp -> ${path}: `));
    assertEquals(namesIn(directory), ["trace.json"]);
  }));

Deno.test("a state that cannot be printed, with the seed's message (TRC-16)", () =>
  withTempDir((directory) => {
    const clock = { wallMs: () => NaN, monotonicMs: () => 0 };
    const flush = new TraceRecorder({ ...optionsFor(directory), clock }).flushBufferSync();
    assert(flush.outcome === "failed");
    assertEquals(flush.error.kind, "serialize");
    assertMatch(flush.error.message, /^serialize trace: /);
  }));

Deno.test("what is to be a text and is none is written in few words, however deep it nests", () =>
  withTempDir(async (directory) => {
    const options = optionsFor(directory);
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level++) deep = [deep];
    const names: [unknown, string][] = [
      [Symbol("no text"), "Symbol(no text)"],
      [deep, "an array"],
      [{ a: deep }, "an object"],
      [1n, "1"],
      ["\ud800", "\ufffd"],
    ];
    for (const [name, expected] of names) {
      const context = { ...options.context, pack_ref: name as never };
      const recorder = new TraceRecorder({ ...options, context });
      const event = { ...eventOf("a"), node_id: name as never, execution_id: name as never };
      recorder.onNodeStart(event);
      recorder.onNodeEnd(event, 1);
      assertEquals(recorder.flushBufferSync().outcome, "written");
      const { pack, steps } = await readTrace(recorder.path);
      assertEquals([pack.pack_ref, steps[0]?.node_id, steps[0]?.status], [
        expected,
        expected,
        "ok",
      ]);
    }
  }));

Deno.test("a failed write is tried again by the next flush, by a success in mode on too (W-TRC-5)", () =>
  withTempDir(async (directory) => {
    const tries: ((recorder: TraceRecorder) => TraceFlush | Promise<TraceFlush>)[] = [
      (recorder) => recorder.flushErrorSync("boom"),
      (recorder) => recorder.flushSuccess(),
      (recorder) => recorder.flushBuffer(),
      (recorder) => recorder.flushAtEndSync({ reason: "exit" }),
    ];
    for (const [index, again] of tries.entries()) {
      const parent = `${directory}/${index}`;
      write(parent, "in the way");
      const recorder = new TraceRecorder(optionsFor(parent));
      recorder.onNodeError(eventOf("a"), "boom");
      assert(recorder.lastWriteError !== undefined);
      await Deno.remove(parent);
      assertEquals(await again(recorder), { outcome: "written", path: recorder.path });
      assertEquals(nodesOf(readEnvelope(recorder.path)), ["a boom"]);
      assertEquals(recorder.lastWriteError, undefined);
      assertEquals(recorder.flushSuccessSync(), { outcome: "skipped", why: "mode" });
    }
  }));

Deno.test("the newest state stands, whichever of two flushes at a time is ready first (W-TRC-1)", () =>
  withTempDir(async (directory) => {
    const recorder = new TraceRecorder(optionsFor(directory));
    recorder.onNodeEnd(eventOf("a"), 1);
    const early = recorder.flushBuffer();
    recorder.onNodeEnd(eventOf("b"), 1);
    const later = recorder.flushBuffer();
    recorder.onNodeError(eventOf("c"), "boom");
    const written = { outcome: "written", path: recorder.path } as const;
    assertEquals(await Promise.all([early, later]), [written, written]);
    assertEquals(nodesOf(readEnvelope(recorder.path)), ["a ok", "b ok", "c boom"]);
    assertEquals(namesIn(directory), ["trace.json"]);
  }));

Deno.test("many recorders with one path write whole files, and the last one stands (W-TRC-1, W-TRC-3)", () =>
  withTempDir(async (directory) => {
    const recorders = Array.from({ length: 20 }, (_, index) => {
      const recorder = new TraceRecorder({ ...optionsFor(directory), runId: `${index}` });
      recorder.onNodeStart(eventOf("a"));
      return recorder;
    });
    const flushes = await Promise.all(recorders.map((recorder) => recorder.flushError("boom")));
    for (const { outcome } of flushes) assertEquals(outcome, "written");
    assertEquals(nodesOf(await readTrace(`${directory}/trace.json`)), ["a boom"]);
    assertEquals(namesIn(directory), ["trace.json"]);
    // What another has written over is not kept as a snapshot of one's own.
    for (const recorder of recorders) recorder.onNodeError(eventOf("b"), "again");
    const kept = namesIn(directory).filter((name) => name !== "trace.json");
    for (const name of kept) {
      const { run_id } = readEnvelope(`${directory}/${name}`);
      assertEquals(kept.length, 1, run_id);
    }
  }));

Deno.test("the first failures are kept, up to the maximum, and the newest state (W-TRC-4)", () =>
  withTempDir((directory) => {
    for (const [maxSnapshots, names] of [[0, []], [2, ["trace.1.json", "trace.2.json"]]] as const) {
      const recorder = new TraceRecorder(
        optionsFor(`${directory}/${maxSnapshots}`, { maxSnapshots }),
      );
      for (const message of ["1", "2", "3", "4"]) recorder.onNodeError(eventOf("a"), message);
      assertEquals(namesIn(`${directory}/${maxSnapshots}`), [...names, "trace.json"]);
      assertEquals(readEnvelope(recorder.path).steps.length, 4);
    }
  }));

Deno.test("the seed's file has no extras, also when there are several failures (W-TRC-4)", () =>
  withTempDir((directory) => {
    const recorder = new TraceRecorder(optionsFor(directory, { extras: false }));
    recorder.onNodeError(eventOf("a"), "1");
    const first = readText(recorder.path);
    recorder.onNodeError(eventOf("b"), "2");
    assertEquals(readText(`${directory}/trace.1.json`), first);
    assertEquals(Object.keys(readEnvelope(recorder.path).steps[1]!), [
      "node_id",
      "component_id",
      "operation",
      "input_hash",
      "duration_ms",
      "error",
    ]);
  }));
