/**
 * The states of spec 4.5 as files, made by hand behind a runtime that the seed's program has written.
 * It had two workers; the last thing it did, or was about to do, was an input to the first one.
 */
import { appendTo, readText, truncate, write } from "../_util/files.ts";
import type { Operation, RuntimeModel } from "./_model.ts";
import { newModel, pathOf, workerPathOf, workerRef, writeSeedFiles } from "./_runtime.ts";
import { createFull, createPlain, input, storeBundle } from "./_scenes.ts";
import { directoryNameOf } from "./_wire.ts";

/** What was done and is on disk in every row. */
export const DONE: readonly Operation[] = [
  storeBundle,
  createFull,
  input(1, "first"),
  createPlain,
];
/** What was under way. */
export const LAST: Operation = input(1, "second");

/** The runtime before the last input. */
export function modelBefore(): RuntimeModel {
  const model = newModel();
  model.applyAll(DONE);
  return model;
}

/** The runtime after it. */
export function modelAfter(): RuntimeModel {
  const model = modelBefore();
  model.apply(LAST);
  return model;
}

const FIRST = workerRef(1).worker_id;
const SECOND = workerRef(2).worker_id;
const events = (root: string) => pathOf(root, "events.jsonl");
const transcript = (root: string) => workerPathOf(root, FIRST, "transcript.jsonl");
const snapshot = (root: string) => pathOf(root, "runtime.json");

/** Cuts the last line of a file, but for `kept` bytes of it. */
function cutLastLine(path: string, kept: number): void {
  const bytes = Deno.readFileSync(path);
  const start = bytes.lastIndexOf(10, bytes.length - 2) + 1;
  truncate(path, kept < 0 ? bytes.length + kept : start + kept);
}

/** As the seed leaves it between its snapshots and its logs: counters ahead, lines missing. */
function writeAhead(root: string, keptOfEvent: number): void {
  writeSeedFiles(root, modelAfter());
  cutLastLine(events(root), keptOfEvent);
  cutLastLine(transcript(root), 0);
}

function edit(path: string, change: (text: string) => string): void {
  const before = readText(path);
  const after = change(before);
  if (after === before) throw new Error(`Nothing was changed in ${path}`);
  write(path, after);
}

/** The damage of each row, by what the spec calls it. */
export const damages = {
  "crash after mkdir, no runtime.json": (root: string) => {
    Deno.mkdirSync(pathOf(root, "workers"), { recursive: true });
  },
  "runtime.json written, events.jsonl absent": (root: string) => {
    writeSeedFiles(root, newModel());
    Deno.removeSync(events(root));
  },
  "events.jsonl removed from a runtime with history": (root: string) => {
    writeSeedFiles(root, modelAfter());
    Deno.removeSync(events(root));
  },
  "last event line torn": (root: string) => writeAhead(root, 40),
  "only the final newline missing": (root: string) => writeAhead(root, -1),
  "last event lost": (root: string) => writeAhead(root, 0),
  "event written, transcript entry lost": (root: string) => {
    writeSeedFiles(root, modelAfter());
    cutLastLine(transcript(root), 0);
  },
  "event written, transcript entry torn": (root: string) => {
    writeSeedFiles(root, modelAfter());
    cutLastLine(transcript(root), 30);
  },
  "runtime.json ahead, worker directory absent": (root: string) => writeCreation(root, "absent"),
  "runtime.json ahead, worker directory empty": (root: string) => writeCreation(root, "empty"),
  "runtime.json and worker.json ahead of the event": (root: string) => writeCreation(root, "whole"),
  "worker directory renamed": (root: string) => {
    writeSeedFiles(root, modelAfter());
    Deno.renameSync(workerPathOf(root, FIRST), pathOf(root, `workers/${directoryNameOf("other")}`));
  },
  "append failed once, process lived on": (root: string) => {
    // The middle input is gone for good: events 1, 2, 3, 4, 6 and sequences 1, 3.
    const model = modelAfter();
    model.apply(input(1, "third"));
    writeSeedFiles(root, model);
    edit(events(root), (text) => withoutLine(text, 5));
    edit(transcript(root), (text) => withoutLine(text, 2));
  },
  "two processes opened the same runtime": (root: string) => {
    // Both made the second worker with event 4; the last one's files stand, both events do.
    writeSeedFiles(root, modelBefore());
    const line = readText(events(root)).split("\n")[3]!;
    appendTo(events(root), `${line}\n`);
  },
  "duplicate event id": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(events(root), (text) => text.replace('{"id":3,', '{"id":2,'));
  },
  "left-over temp file": (root: string) => {
    writeSeedFiles(root, modelAfter());
    writeOld(pathOf(root, ".runtime.json.tmp-4711-0"), "{");
  },
  "left-over temp file inside workers": (root: string) => {
    writeSeedFiles(root, modelAfter());
    writeOld(pathOf(root, "workers/.worker.json.tmp-4711-0"), "{");
  },
  "workers missing": (root: string) => {
    writeSeedFiles(root, modelAfter());
    Deno.removeSync(pathOf(root, "workers"), { recursive: true });
  },
  "stray file in workers": (root: string) => {
    writeSeedFiles(root, modelAfter());
    write(pathOf(root, "workers/notes.txt"), "mine");
  },
  "empty worker directory": (root: string) => {
    writeSeedFiles(root, modelAfter());
    Deno.mkdirSync(workerPathOf(root, workerRef(3).worker_id));
  },
  "schema 2": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(snapshot(root), (text) => text.replace('"schema_version": 1', '"schema_version": 2'));
  },
  "backend memory": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(snapshot(root), (text) => text.replace('"fs_store"', '"memory"'));
  },
  "blank lines, CRLF, unknown fields in records": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(
      events(root),
      (text) => text.replaceAll("\n", "\r\n\r\n").replaceAll('{"id"', '{"x":[],"id"'),
    );
    edit(transcript(root), (text) => "\n" + text.replaceAll("\n", "\r\n"));
  },
  "an unknown field in runtime.json": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(snapshot(root), (text) => text.replace("{", '{ "unknown": {"a": 1},'));
  },
  "an unknown field in a worker.json": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(workerPathOf(root, SECOND, "worker.json"), (text) => text.replace("{", '{ "unknown": 1,'));
  },
  "bad UTF-8 in the events": (root: string) => {
    writeSeedFiles(root, modelAfter());
    spoil(events(root), "worker_created");
  },
  "bad UTF-8 in the last event": (root: string) => {
    writeSeedFiles(root, modelAfter());
    spoil(events(root), "input accepted", true);
  },
  "bad UTF-8 in a worker.json": (root: string) => {
    writeSeedFiles(root, modelAfter());
    spoil(workerPathOf(root, FIRST, "worker.json"), "running");
  },
  "an event line in the middle is garbled": (root: string) => {
    writeSeedFiles(root, modelAfter());
    edit(events(root), (text) => text.replace('{"id":3,', '{"id":#,'));
  },
  "a worker.json is garbled": (root: string) => {
    writeSeedFiles(root, modelAfter());
    write(workerPathOf(root, FIRST, "worker.json"), "{");
  },
  "runtime.json is garbled": (root: string) => {
    writeSeedFiles(root, modelAfter());
    truncate(snapshot(root), 50);
  },
  "a transcript is missing": (root: string) => {
    writeSeedFiles(root, modelAfter());
    Deno.removeSync(transcript(root));
  },
} satisfies Record<string, (root: string) => void>;

/** A file that nobody is about to rename any more. */
function writeOld(path: string, text: string): void {
  write(path, text);
  const anHourAgo = new Date(Date.now() - 3_600_000);
  Deno.utimeSync(path, anHourAgo, anHourAgo);
}

/** The name of a row. */
export type Damage = keyof typeof damages;

function withoutLine(text: string, line: number): string {
  return text.split("\n").toSpliced(line - 1, 1).join("\n");
}

/** Makes a byte of a text, the first or the last such text, one that is in no UTF-8. */
function spoil(path: string, text: string, last = false): void {
  const content = readText(path);
  const at = last ? content.lastIndexOf(text) : content.indexOf(text);
  const bytes = Deno.readFileSync(path);
  bytes[new TextEncoder().encode(content.slice(0, at)).length] = 0xff;
  write(path, bytes);
}

/** The seed was creating a third worker: its snapshot is ahead, and of the worker there is … */
function writeCreation(root: string, worker: "absent" | "empty" | "whole"): void {
  const model = modelBefore();
  model.apply(createPlain);
  writeSeedFiles(root, model);
  cutLastLine(events(root), 0);
  const directory = workerPathOf(root, workerRef(3).worker_id);
  if (worker === "absent") Deno.removeSync(directory, { recursive: true });
  if (worker === "empty") {
    for (const { name } of [...Deno.readDirSync(directory)]) {
      Deno.removeSync(`${directory}/${name}`);
    }
  }
}
