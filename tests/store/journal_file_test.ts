import { assertEquals, assertThrows } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import { UnknownOutcomeError } from "../../_internal/line_file.ts";
import { RuntimeFolder } from "../../store/files/runtime_folder.ts";
import { JournalFile, readJournal } from "../../store/journal/journal_file.ts";
import { decodeMutation, encodeMutation } from "../../store/journal/mutation_record.ts";
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

/** A runtime's directory, with no journal yet. */
function newFolder(
  root: string,
  port: FilePort = hastyFilePort,
): { folder: RuntimeFolder; path: string } {
  const folder = new RuntimeFolder(port, { root, runtimeId: "rt-1" });
  Deno.mkdirSync(folder.directory, { recursive: true });
  return { folder, path: folder.journal(1) };
}

/** A journal of three mutations, each synced before the next one was written. */
function withJournal(
  use: (path: string, folder: RuntimeFolder) => void | Promise<void>,
): Promise<void> {
  return withTempDir(async (root) => {
    const { folder, path } = newFolder(root);
    const journal = JournalFile.create(folder, 1);
    for (let sequence = 1; sequence <= 3; sequence++) {
      journal.append([line(sequence, sequence - 1)]);
      await journal.sync();
    }
    assertEquals([journal.written, journal.synced], [3, 3]);
    journal.close();
    await use(path, folder);
  });
}

function sequencesIn(folder: RuntimeFolder): number[] {
  return readJournal(folder, 1).mutations.map(({ sequence }) => sequence);
}

function refusal(folder: RuntimeFolder): RuntimeStoreError {
  const error = assertThrows(() => readJournal(folder, 1), RuntimeStoreError);
  assertEquals([error.kind, error.details.path], ["store-corrupt", folder.journal(1)]);
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
  withJournal((path, folder) => {
    const bytes = readBytes(path);
    let whole = 3;
    const end = bytes.lastIndexOf(10) + 1;
    // Behind the lines there are NULs only.
    const step = (length: number) => length > end + 100 ? longCount(97, 1) : 1;
    for (let length = bytes.length - 1; length > 0; length -= step(length)) {
      truncate(path, length);
      if (bytes[length] === 10) whole--;
      assertEquals(sequencesIn(folder).length, Math.max(0, whole), `cut at ${length}`);
    }
  }));

Deno.test("a page of NULs that was never acknowledged ends the journal, whatever stands behind it", () =>
  withTempDir((root) => {
    const { folder, path } = newFolder(root);
    const journal = JournalFile.create(folder, 1);
    // One group: none of them knows that another one is on disk.
    journal.append([line(1, 0), line(2, 0), line(3, 0)]);
    journal.close();
    const bytes = readBytes(path);
    const start = bytes.indexOf(10) + 1 + line(1, 0).length;
    write(path, bytes.fill(0, start, start + 20));
    assertEquals(sequencesIn(folder), [1]);
  }));

Deno.test("damage to what was acknowledged is told, with its line", () =>
  withJournal((path, folder) => {
    const text = readText(path);
    const second = new TextEncoder().encode(text.split("\n").slice(0, 2).join("\n")).length + 1;
    write(path, text.replace('"sequence":2', '"sequence":9'));
    const error = refusal(folder);
    assertEquals([error.details.line, error.details.byteOffset], [3, second]);
    write(path, text.replace('{"format"', '{"farmat"'));
    assertEquals(refusal(folder).details.line, 1);
    write(path, text.replace('"format":1', '"format":2'));
    assertEquals(refusal(folder).message.includes("unsupported journal format 2"), true);
  }));

Deno.test("a whole line of another place in the journal is not taken", () =>
  withJournal((path, folder) => {
    appendTo(path, line(3, 0));
    assertEquals(sequencesIn(folder), [1, 2, 3]);
  }));

Deno.test("a write that fails is cut back, and the next one succeeds", () =>
  withTempDir((root) => {
    const port = new FaultPort({ base: hastyFilePort });
    const { folder, path } = newFolder(root, port);
    const journal = JournalFile.create(folder, 1);
    port.reset();
    port.shortWriteAt(1, 30);
    assertThrows(() => journal.append([line(1, 0)]), Error, "is the disk full?");
    assertEquals(readText(path).split("\n").length, 2);
    journal.append([line(1, 0)]);
    assertEquals(sequencesIn(folder), [1]);
    port.reset();
    port.shortWriteAt(1, 30);
    port.failAt(1, { only: ["truncateSync"] });
    assertThrows(() => journal.append([line(2, 0)]), UnknownOutcomeError, "could not be cut back");
    journal.close();
  }));
