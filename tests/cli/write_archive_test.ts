/** An archive is of one state of a run, or none. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { archiveBytes, measureRun } from "../../cli/archive/write_archive.ts";
import type { PartPlace, RunPart } from "../../cli/engine/run_parts.ts";

const EVENTS: PartPlace = { kind: "stream", stream: "events" };
const INBOX: PartPlace = { kind: "stream", stream: "inbox" };
const ABOUT: PartPlace = { kind: "document", name: "run.json" };
const OUT: PartPlace = { kind: "attempt", of: { nodeId: "a", attempt: 1, stream: "out" } };

type Part = readonly [place: PartPlace, ...blocks: string[]];

const RUN: readonly Part[] = [[EVENTS, "{}\n", "{}\n"], [INBOX], [ABOUT, "{}"], [
  OUT,
  "x".repeat(2000),
]];

/** Parts that are given, and how many of them are open still. */
class Parts {
  open = 0;

  async *of(parts: readonly Part[]): AsyncGenerator<RunPart> {
    this.open++;
    try {
      for (const [place, ...blocks] of parts) yield { place, bytes: this.#bytesOf(blocks) };
      await Promise.resolve();
    } finally {
      this.open--;
    }
  }

  async *#bytesOf(blocks: readonly string[]): AsyncGenerator<Uint8Array> {
    this.open++;
    // The block that a reader is given is another one the next time.
    const buffer = new Uint8Array(4096);
    try {
      for (const block of blocks) {
        const { written } = new TextEncoder().encodeInto(block, buffer);
        yield buffer.subarray(0, written);
        buffer.fill(0);
      }
      await Promise.resolve();
    } finally {
      this.open--;
    }
  }
}

function options(signal = new AbortController().signal) {
  return { redacted: false, signal, onProgress: () => {} };
}

/** Reads a run that is another one the second time. */
async function exported(then: readonly Part[]): Promise<{ parts: Parts; bytes: number }> {
  const parts = new Parts();
  const measured = await measureRun("demo", () => parts.of(RUN), options());
  assertEquals(parts.open, 0);
  let bytes = 0;
  try {
    for await (const block of archiveBytes(measured, () => parts.of(then), options())) {
      bytes += block.length;
    }
  } finally {
    assertEquals(parts.open, 0);
  }
  return { parts, bytes };
}

Deno.test("archiveBytes() gives what was measured, in whatever blocks it comes", async () => {
  const one = await exported(RUN);
  const other = await exported([[EVENTS, "{}\n{}\n"], [INBOX], [ABOUT, "{", "}"], RUN[3]!]);
  assertEquals(other.bytes, one.bytes);
});

const CHANGES: Readonly<Record<string, [path: string, parts: readonly Part[]]>> = {
  "is longer": ["events.jsonl", RUN.with(0, [EVENTS, "{}\n{}\n{}\n"])],
  "is shorter": ["events.jsonl", RUN.with(0, [EVENTS, "{}\n"])],
  "is another": ["run.json", RUN.with(2, [ABOUT, "[]"])],
  "is gone": ["run.json", RUN.toSpliced(2, 1)],
  "is gone at the end": ["nodes/a.1.out", RUN.slice(0, -1)],
  "has come": ["inbox.jsonl", RUN.with(1, [INBOX, "{}\n"])],
  "has come at the end": ["flow.json", [...RUN, [{ kind: "document", name: "flow.json" }, "{}"]]],
};

for (const [what, [path, parts]] of Object.entries(CHANGES)) {
  Deno.test(`archiveBytes() throws where something ${what} the second time`, async () => {
    const error = await assertRejects(() => exported(parts), Error);
    // What stands in the place of what is gone is told.
    const isOther = path === "run.json" && what === "is gone";
    assertStringIncludes(
      error.message,
      `its ${isOther ? "nodes/a.1.out" : path} has changed meanwhile`,
    );
    assertStringIncludes(error.message, "Cannot export demo: ");
  });
}

Deno.test("archiveBytes() and measureRun() end by a signal, and when nobody wants more", async () => {
  const parts = new Parts();
  const stop = new AbortController();
  const measured = await measureRun("demo", () => parts.of(RUN), options());
  const reason = new Error("stopped");
  stop.abort(reason);
  const writing = () =>
    Array.fromAsync(archiveBytes(measured, () => parts.of(RUN), options(stop.signal)));
  assertEquals(await assertRejects(writing), reason);
  const reading = () => measureRun("demo", () => parts.of(RUN), options(stop.signal));
  assertEquals(await assertRejects(reading), reason);
  for await (const _ of archiveBytes(measured, () => parts.of(RUN), options())) break;
  assertEquals(parts.open, 0);
});

Deno.test("measureRun() refuses what no archive can have", async () => {
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let count = 0; count < 3; count++) yield await Promise.resolve(new Uint8Array(1024 ** 2));
  }
  async function* parts(): AsyncGenerator<RunPart> {
    yield await Promise.resolve({ place: ABOUT, bytes: long() });
  }
  const error = await assertRejects(() => measureRun("demo", parts, options()), Error);
  assertEquals(error.message, "Cannot export demo: run.json has more than 1.0MiB");
});
