/**
 * Appends where there is not much room, as it is told to by JSON lines, and answers each with one.
 * Every event makes a line of exactly the length asked for.
 *
 * Usage: full_disk.ts ROOT RUN_ID
 */
import { EventLogError, type FileEventLog, openEventLog } from "../../../eventlog/mod.ts";
import type { Answer, Command, Failure } from "./_full_disk.ts";
import { commands, say } from "./_pipe.ts";

const [root = "", runId = ""] = Deno.args;

interface Sized {
  n: number;
  text: string;
}

let log: FileEventLog<Sized> | undefined;
let count = 0;

function createSized(lineBytes: number): Sized {
  const event = { n: count++, text: "" };
  return { ...event, text: "x".repeat(lineBytes - JSON.stringify(event).length - 1) };
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof EventLogError)) throw error;
  return { kind: error.kind, cause: error.cause === undefined ? "" : String(error.cause) };
}

function opened(): FileEventLog<Sized> {
  if (log === undefined) throw new Error("The log is not open");
  return log;
}

async function open(): Promise<Answer> {
  try {
    log = await openEventLog<Sized>({ root, runId });
    return { done: 0 };
  } catch (error) {
    return { done: 0, failure: failureOf(error) };
  }
}

/** Appends one after the other until there are enough or one fails. */
async function append({ form, events, lineBytes }: Command): Promise<Answer> {
  for (let done = 0; done < events; done++) {
    const event = createSized(lineBytes);
    try {
      if (form === "sync") opened().appendSync(event);
      else await opened().append(event);
    } catch (error) {
      return { done, failure: failureOf(error) };
    }
  }
  return { done: events };
}

/** Appends all at once, by one call or by as many as there are events. */
async function appendTogether({ form, events, lineBytes }: Command): Promise<Answer> {
  const batch = Array.from({ length: events }, () => createSized(lineBytes));
  const calls = form === "group"
    ? batch.map((event) => opened().append(event))
    : [opened().appendAll(batch)];
  const outcomes = await Promise.allSettled(calls);
  const rejected = outcomes.filter((outcome) => outcome.status === "rejected");
  const done = form === "group" ? events - rejected.length : rejected.length === 0 ? events : 0;
  if (rejected.length === 0) return { done };
  const causes = new Set(rejected.map(({ reason }) => reason.cause));
  if (causes.size > 1) throw new Error("Callers of one group got different causes");
  return { done, failure: failureOf(rejected[0]!.reason) };
}

/** Takes all the room there is, and tells how much that was. */
function fillSync(path: string): number {
  using file = Deno.openSync(path, { write: true, create: true });
  let bytes = 0;
  try {
    for (;;) bytes += file.writeSync(new Uint8Array(1024));
  } catch {
    return bytes;
  }
}

async function obey(command: Command): Promise<Answer> {
  switch (command.form) {
    case "open":
      return await open();
    case "fill":
      return { done: fillSync(command.path!) };
    case "tear": {
      const stub = JSON.stringify(createSized(command.lineBytes + 10)).slice(0, command.lineBytes);
      await Deno.writeTextFile(command.path!, stub, { append: true });
      return { done: 0, text: stub };
    }
    case "remove":
      await Deno.remove(command.path!);
      return { done: 1 };
    case "list": {
      const names = await Array.fromAsync(Deno.readDir(command.path!), ({ name }) => name);
      return { done: names.length, text: names.sort().join(" ") };
    }
    case "show":
      return { done: 0, text: await Deno.readTextFile(command.path!) };
    case "sync":
    case "async":
      return await append(command);
    case "group":
    case "batch":
      return await appendTogether(command);
  }
}

say("ready");
for await (const line of commands()) say(JSON.stringify(await obey(JSON.parse(line))));
