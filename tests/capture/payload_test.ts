/** Payloads: their text in the format of this project, and whole for whoever runs the attempts. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  openCaptureJournal,
  parseCaptureBundle,
  recoverCapture,
  replayBundle,
  ReplayError,
  resumeCapture,
  stringifyCaptureBundle,
  type TaffrailCaptureBundle,
} from "../../capture/mod.ts";
import { MemoryDecisionLog, type RunRequest, type RunTermination } from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { createSupervisor, event, newSession, RUNTIME } from "./_util.ts";

const PAYLOAD = { nested: { list: [1, "zwölf", null, { 'a"b': 1.5 }] }, none: null };
const TEXT = JSON.stringify(PAYLOAD);

/** An invoker that keeps the payloads that it gets. */
function keeping(payloads: unknown[]) {
  return {
    run({ payload }: RunRequest): RunTermination {
      payloads.push(payload);
      return "Completed";
    },
  };
}

async function concurrentBundle(): Promise<TaffrailCaptureBundle> {
  const session = newSession({ mode: "concurrent" });
  await session.onEvent(event("e1", 0, { payload: TEXT }));
  await session.onEvent(event("e2"));
  await session.supervisor.idle();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  return bundle;
}

Deno.test("taffrail-v1 has the text of a payload, v3 its bytes; the hash is the same", async () => {
  const bundle = await concurrentBundle();
  const [first] = bundle.inputs;
  const text = stringifyCaptureBundle(bundle);
  assert(text.includes(`"kind":"Command","payload":${JSON.stringify(TEXT)},"payload_hash":"`));
  assert(
    text.includes(
      '"event_id":"e2","event_time":{"secs":0,"nanos":0},"kind":"Command","payload":"",',
    ),
  );
  assertEquals(parseCaptureBundle(text), bundle);
  assertEquals(parseCaptureBundle(stringifyCaptureBundle(bundle, "pretty")), bundle);

  const serial = newSession();
  await serial.onEvent(event("e1", 0, { payload: TEXT }));
  const v3 = serial.intoBundle();
  assert(!("inputs" in v3) && first?.type === "event");
  assertEquals(v3.events[0]!.payload, [...new TextEncoder().encode(TEXT)]);
  assertEquals(v3.events[0]!.payload_hash, first.payload_hash);
});

Deno.test("a payload of taffrail-v1 that is no text is refused where it stands", async () => {
  const text = stringifyCaptureBundle(await concurrentBundle());
  const read = (payload: string) => () => {
    parseCaptureBundle(text.replace('"payload":""', `"payload":${payload}`));
  };
  const place = "$.inputs[2].payload:";
  assertThrows(read("1"), TypeError, `${place} invalid type: integer \`1\`, expected a string`);
  const former = `${place} it is a list of bytes, as builds before 0.1.0 wrote it; record it again`;
  assertThrows(read("[123,125]"), TypeError, former);
  assertThrows(read("[]"), TypeError, former);
});

Deno.test("a changed payload does not have its hash", async () => {
  const bundle = await concurrentBundle();
  const [first] = bundle.inputs;
  assert(first?.type === "event");
  first.payload = first.payload.replace("1.5", "2.5");
  await assertRejects(
    () => replayBundle(bundle, { createSupervisor }),
    ReplayError,
    "payload hash mismatch",
  );
});

Deno.test("an event whose payload is not UTF-8 cannot be recorded, and stops the session", async () => {
  const session = newSession({ mode: "concurrent" });
  const broken = { ...event("e1"), payload: Uint8Array.of(0xff) };
  await assertRejects(
    () => session.onEvent(broken),
    TypeError,
    'event "e1": its payload is not UTF-8',
  );
});

Deno.test("who makes attempts again gets the payload whole, in both formats", async () => {
  const serial = newSession();
  await serial.onEvent(event("e1", 0, { payload: TEXT }));
  await serial.onEvent(event("e2"));
  for (const bundle of [await concurrentBundle(), serial.intoBundle()]) {
    const payloads: unknown[] = [];
    const report = await replayBundle(bundle, { createSupervisor, invoker: keeping(payloads) });
    assert(report.ok);
    assertEquals(payloads, [PAYLOAD, {}]);
  }
});

Deno.test("who goes on with a session gets the payload whole, and beforeRun for what is new", async () => {
  for (const mode of ["serial", "concurrent"] as const) {
    await withTempDir(async (directory) => {
      const journalPath = `${directory}/capture.jsonl`;
      const constraints = {
        max_retries: 0,
        max_per_window: 1,
        rate_window: { secs: 10, nanos: 0 },
      };
      const common = { graphId: "g", mode, constraints, createSupervisor };
      const first = newSession({ ...common, journal: openCaptureJournal(journalPath) });
      await first.onEvent(event("e1"));
      await first.onEvent(event("e2", 1, { payload: TEXT }));
      const lines = (await Deno.readTextFile(journalPath)).split("\n");
      assert(lines.some((line) => line.includes(`"payload":${JSON.stringify(TEXT)}`)));

      const payloads: unknown[] = [];
      const begun: string[] = [];
      const { session } = await resumeCapture({
        ...common,
        decisionLog: new MemoryDecisionLog(),
        invoker: keeping(payloads),
        beforeRun: ({ eventId }) => void begun.push(eventId),
        runtimeProvenance: RUNTIME,
        journalPath,
      });
      await session.onEvent(event("p1", 20, { kind: "Pump" }));
      await session.close();
      assertEquals([begun, payloads], [["e2"], [PAYLOAD]]);
      assertEquals((await recoverCapture(journalPath)).bundle, session.intoBundle());
    });
  }
});
