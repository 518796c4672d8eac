import { assertEquals, assertThrows } from "@std/assert";
import { JournalFile, readJournalSync, UnknownOutcome } from "../../store/journal/journal_file.ts";
import { decodeMutation, encodeMutation } from "../../store/journal/journal_lines.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { appendTo, readBytes, readText, truncate, write } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { longCount, withTempDir } from "../_util/temp.ts";

const runtime = {
  status: "running",
  next_worker_sequence: 1,
  next_event_id: 2,
  next_diagnostic_id: 1,
} as const;

function line(sequence: number, synced: number): Uint8Array {
  const lines = [`{"id":${sequence},"kind":{"kind":"runtime_started"},"message":"é\\n"}`];
  return encodeMutation({ sequence, synced, runtime }, [{
    file: "events.jsonl",
    offset: 7,
    lines,
  }]);
}

/** A journal of three mutations, each synced before the next one was written. */
function withJournal(use: (path: string) => void | Promise<void>): Promise<void> {
  return withTempDir(async (root) => {
    const path = `${root}/journal-1.jsonl`;
    const journal = JournalFile.createSync(hastyFilePort, { path, number: 1 });
    for (let sequence = 1; sequence <= 3; sequence++) {
      journal.append([line(sequence, sequence - 1)]);
      await journal.sync();
    }
    assertEquals([journal.written, journal.synced], [3, 3]);
    journal.close();
    await use(path);
  });
}

function sequencesIn(path: string): number[] {
  return readJournalSync(hastyFilePort, path).mutations.map(({ sequence }) => sequence);
}

function refusal(path: string): RuntimeStoreError {
  const error = assertThrows(() => readJournalSync(hastyFilePort, path), RuntimeStoreError);
  assertEquals([error.kind, error.path], ["store-corrupt", path]);
  return error;
}

Deno.test("a mutation is one line of JSON, with the log lines as they were printed", () => {
  const bytes = line(1, 0);
  const text = new TextDecoder().decode(bytes);
  const { mutation } = JSON.parse(text);
  assertEquals(text.indexOf("\n"), text.length - 1);
  assertEquals(mutation.logs[0].lines[0].message, "é\n");
  assertEquals(decodeMutation(bytes.subarray(0, -1)), mutation);
});

Deno.test("a line with any other byte is no mutation", () => {
  const bytes = line(1, 0).subarray(0, -1);
  for (let index = 0; index < bytes.length; index++) {
    const spoilt = bytes.slice();
    spoilt[index]! ^= 1;
    assertEquals(decodeMutation(spoilt), undefined, `byte ${index}`);
    assertEquals(decodeMutation(bytes.subarray(0, index)), undefined, `cut at ${index}`);
  }
});

Deno.test("a journal cut anywhere has the mutations before the cut", () =>
  withJournal((path) => {
    const bytes = readBytes(path);
    let whole = 3;
    const end = bytes.lastIndexOf(10) + 1;
    // Behind the lines there are NULs only.
    const step = (length: number) => length > end + 100 ? longCount(97, 1) : 1;
    for (let length = bytes.length - 1; length > 0; length -= step(length)) {
      truncate(path, length);
      if (bytes[length] === 10) whole--;
      assertEquals(sequencesIn(path).length, Math.max(0, whole), `cut at ${length}`);
    }
  }));

Deno.test("a page of NULs that was never acknowledged ends the journal, whatever stands behind it", () =>
  withTempDir((root) => {
    const path = `${root}/journal-1.jsonl`;
    const journal = JournalFile.createSync(hastyFilePort, { path, number: 1 });
    // One group: none of them knows that another one is on disk.
    journal.append([line(1, 0), line(2, 0), line(3, 0)]);
    journal.close();
    const bytes = readBytes(path);
    const start = bytes.indexOf(10) + 1 + line(1, 0).length;
    write(path, bytes.fill(0, start, start + 20));
    assertEquals(sequencesIn(path), [1]);
  }));

Deno.test("damage to what was acknowledged is told, with its line", () =>
  withJournal((path) => {
    const text = readText(path);
    const second = new TextEncoder().encode(text.split("\n").slice(0, 2).join("\n")).length + 1;
    write(path, text.replace('"sequence":2', '"sequence":9'));
    const error = refusal(path);
    assertEquals([error.line, error.byteOffset], [3, second]);
    write(path, text.replace('{"format"', '{"farmat"'));
    assertEquals(refusal(path).line, 1);
    write(path, text.replace('"format":1', '"format":2'));
    assertEquals(refusal(path).message.includes("unsupported journal format 2"), true);
  }));

Deno.test("a whole line of another place in the journal is not taken", () =>
  withJournal((path) => {
    appendTo(path, line(3, 0));
    assertEquals(sequencesIn(path), [1, 2, 3]);
  }));

Deno.test("a write that fails is cut back, and the next one succeeds", () =>
  withTempDir((root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const path = `${root}/journal-1.jsonl`;
    const journal = JournalFile.createSync(port, { path, number: 1 });
    port.reset();
    port.shortWriteAt(1, 30);
    assertThrows(() => journal.append([line(1, 0)]), Error, "is the disk full?");
    assertEquals(readText(path).split("\n").length, 2);
    journal.append([line(1, 0)]);
    assertEquals(sequencesIn(path), [1]);
    port.reset();
    port.shortWriteAt(1, 30);
    port.failAt(1, { only: ["truncateSync"] });
    assertThrows(() => journal.append([line(2, 0)]), UnknownOutcome, "could not be cut back");
    journal.close();
  }));
