/** The rules of outputs: kept whole or cut in the middle, read by ranges, and never made without a byte. */
import { assert, assertEquals } from "@std/assert";
import type { HeldRun, KeptOutput, OutputRef } from "../run/types.ts";
import type { RootCheck, RootUse } from "./runs_root_use.ts";

const ABOUT = { name: "demo" };
const OUT: OutputRef = { nodeId: "a", attempt: 1, stream: "out" };

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Keeps chunks as one output. */
async function keep(
  held: HeldRun,
  of: OutputRef,
  { chunks, maxBytes = 1000, sync = false }: {
    chunks: readonly string[];
    maxBytes?: number;
    sync?: boolean;
  },
): Promise<KeptOutput> {
  const sink = held.openOutput(of, { maxBytes });
  for (const chunk of chunks) {
    await sink.ready();
    sink.write(bytesOf(chunk), 1000);
  }
  return await sink.close({ sync });
}

async function keepsOutputs({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await using other = await open();
  const view = other.view(held.view.runId);
  const texts = { out: "é one", err: "two\n", result: '{"three":3}' };
  for (const [stream, text] of Object.entries(texts) as [OutputRef["stream"], string][]) {
    const of = { ...OUT, stream };
    assertEquals(await view.output(of), undefined);
    const kept = await keep(held, of, { chunks: [text.slice(0, 2), text.slice(2)], sync: true });
    const bytes = bytesOf(text);
    assertEquals(kept, {
      sha256: await digestOf(bytes),
      bytes: bytes.length,
      cut: false,
      leftOut: 0,
    });
    assertEquals(await view.output(of), bytes);
  }
}

async function makesNothingOfNothing({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const kept = await keep(held, OUT, { chunks: ["", ""], sync: true });
  assertEquals(kept, {
    sha256: await digestOf(new Uint8Array()),
    bytes: 0,
    cut: false,
    leftOut: 0,
  });
  assertEquals(await held.view.output(OUT), undefined);
  assertEquals(await held.view.times(OUT), undefined);
}

async function readsRanges({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  await keep(held, OUT, { chunks: ["0123456789"] });
  const ranges = [
    [{ last: 3 }, "789"],
    [{ last: 0 }, ""],
    [{ last: 10 }, "0123456789"],
    [{ last: 99 }, "0123456789"],
    [{ from: 0, length: 4 }, "0123"],
    [{ from: 4, length: 3 }, "456"],
    [{ from: 8, length: 99 }, "89"],
    [{ from: 10, length: 1 }, ""],
    [{ from: 99, length: 1 }, ""],
  ] as const;
  for (const [range, text] of ranges) {
    assertEquals(await held.view.output(OUT, range), bytesOf(text), JSON.stringify(range));
  }
}

async function cutsTheMiddle({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const text = Array.from({ length: 500 }, (_, n) => `line ${n}\n`).join("");
  for (const [attempt, maxBytes] of [[1, 100], [2, 1]] as const) {
    const of = { ...OUT, attempt };
    const chunks = text.match(/[^]{1,7}/g)!;
    const { sha256, bytes, cut } = await keep(held, of, { chunks, maxBytes });
    const kept = new Uint8Array(await held.view.output(of) ?? []);
    assertEquals([cut, bytes, sha256], [true, kept.length, await digestOf(kept)]);
    assert(bytes < maxBytes + 100, `${bytes} bytes are kept of ${maxBytes}`);
    const half = Math.ceil(maxBytes / 2);
    const read = new TextDecoder().decode(kept);
    assert(read.startsWith(text.slice(0, half)), "the first half is not there");
    assert(read.endsWith(text.slice(text.length - (maxBytes - half))), "the last half is not");
  }
  const exact = await keep(held, { ...OUT, attempt: 3 }, { chunks: [text], maxBytes: text.length });
  assertEquals([exact.cut, exact.bytes], [false, text.length]);
}

/** Ids that a file system could take for one, or for something else. */
const IDS = [
  "a",
  "A",
  "a.1",
  "a/b",
  "a%2Fb",
  ".",
  "..",
  "é",
  "x".repeat(100),
  "x".repeat(101),
  "x:y",
];

async function tellsOutputsApart({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  for (const nodeId of IDS) {
    for (const attempt of [1, 11]) {
      await keep(held, { nodeId, attempt, stream: "out" }, { chunks: [`${nodeId} ${attempt}`] });
    }
  }
  for (const nodeId of IDS) {
    for (const attempt of [1, 11]) {
      const bytes = await held.view.output({ nodeId, attempt, stream: "out" });
      assertEquals(new TextDecoder().decode(bytes), `${nodeId} ${attempt}`);
    }
  }
}

async function keepsTheNewestOfANumber({ open }: RootUse): Promise<void> {
  await using root = await open();
  const held = await root.create({ about: ABOUT });
  const { runId } = held.view;
  await keep(held, OUT, { chunks: ["a longer one"] });
  await keep(held, { ...OUT, stream: "err" }, { chunks: ["of another boot"] });
  await held[Symbol.asyncDispose]();
  await using again = await root.hold(runId);
  await keep(again, OUT, { chunks: ["new"] });
  await keep(again, { ...OUT, stream: "err" }, { chunks: [] });
  assertEquals(await again.view.output(OUT), bytesOf("new"));
  assertEquals(await again.view.output({ ...OUT, stream: "err" }), undefined);
}

async function keepsTimes({ open }: RootUse): Promise<void> {
  await using root = await open();
  await using held = await root.create({ about: ABOUT });
  const out = held.openOutput(OUT, { maxBytes: 4 });
  const err = held.openOutput({ ...OUT, stream: "err" }, { maxBytes: 100 });
  out.write(bytesOf("one"), 1_764_469_200_000);
  err.write(bytesOf("two!"), 1_764_469_200_015);
  out.write(bytesOf("three"), 1_764_469_200_015);
  await out.close();
  err.write(bytesOf("4"), 1_764_469_200_010);
  await err.close();
  assertEquals(await held.view.times(OUT), [
    { atMs: 1_764_469_200_000, stream: "out", byteLength: 3 },
    { atMs: 1_764_469_200_015, stream: "err", byteLength: 4 },
    { atMs: 1_764_469_200_015, stream: "out", byteLength: 5 },
    { atMs: 1_764_469_200_010, stream: "err", byteLength: 1 },
  ]);
  assertEquals(await held.view.times({ nodeId: "a", attempt: 2 }), undefined);
}

/** The rules of outputs. */
export const outputRules: readonly (readonly [name: string, check: RootCheck])[] = [
  ["outputs are kept, with their digests", keepsOutputs],
  ["of an output without a byte nothing is made", makesNothingOfNothing],
  ["outputs are read by ranges", readsRanges],
  ["of a long output the first and the last half are kept", cutsTheMiddle],
  ["outputs of different nodes and attempts are told apart", tellsOutputsApart],
  ["of two attempts of one number the newer one counts", keepsTheNewestOfANumber],
  ["when and in which order outputs came is kept", keepsTimes],
];
