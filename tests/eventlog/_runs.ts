import { denoFilePort } from "../../_internal/file_port.ts";
import {
  type EventPage,
  type FileEventLog,
  type Gap,
  openEventLog,
  readRun,
  type ReadRunOptions,
  readRunSync,
  type Stored,
} from "../../eventlog/mod.ts";
import { followOnPort, readPageSync } from "../../eventlog/read_run.ts";

/** What the tests of the event log share: runs made of given bytes, and what each reader says of them. */

const encoder = new TextEncoder();

/** Text and bytes in a row. */
export function bytesOf(...parts: (string | readonly number[] | Uint8Array)[]): Uint8Array {
  const all = parts.map((part) =>
    typeof part === "string" ? encoder.encode(part) : Uint8Array.from(part)
  );
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Any event; the tests of this module do not care what is in it. */
export type AnyEvent = Record<string, unknown>;

export const RUN_ID = "demo";

/** Where the file `name` of a run is. */
export function pathOf(root: string, name = "events.jsonl", runId = RUN_ID): string {
  return `${root}/runs/${runId}/${name}`;
}

/** What a writer of a run locks: its log, and on Windows a file beside it. */
export function lockedPathOf(root: string): string {
  return pathOf(root, Deno.build.os === "windows" ? "events.lock" : "events.jsonl");
}

/** Makes a run as another program does: its folder and its log, and nothing else. */
export function writeRun(root: string, content: string | Uint8Array, runId = RUN_ID): string {
  Deno.mkdirSync(`${root}/runs/${runId}`, { recursive: true });
  const path = pathOf(root, "events.jsonl", runId);
  const bytes = typeof content === "string" ? encoder.encode(content) : content;
  Deno.writeFileSync(path, bytes);
  return path;
}

/** Opens the run of {@linkcode RUN_ID}. */
export function openLog(
  root: string,
  options: Partial<Parameters<typeof openEventLog<AnyEvent>>[0]> = {},
): Promise<FileEventLog<AnyEvent>> {
  return openEventLog<AnyEvent>({ root, runId: RUN_ID, ...options });
}

/** All that a reader delivers. */
export interface Read {
  events: Stored<AnyEvent>[];
  gaps: Gap[];
}

function gather(pages: readonly EventPage<AnyEvent>[]): Read {
  return {
    events: pages.flatMap(({ events }) => events),
    gaps: pages.flatMap(({ gaps }) => gaps),
  };
}

type Reader = (root: string, options: ReadRunOptions<AnyEvent>) => Promise<Read>;

/** Page after page, until one says that there are no more. */
function readByPages(root: string, options: ReadRunOptions<AnyEvent>, limit: number): Read {
  const pages: EventPage<AnyEvent>[] = [];
  const { schema, after } = options;
  let next = after;
  do {
    const run = { root, runId: RUN_ID, schema };
    const page = readPageSync<AnyEvent>(denoFilePort, run, { ...(next && { after: next }), limit });
    pages.push(page);
    next = page.next;
  } while (pages.at(-1)!.hasMore);
  return gather(pages);
}

/** Takes as many items from a follower as a reader found, and looks that nothing else comes. */
async function followAll(root: string, options: ReadRunOptions<AnyEvent>): Promise<Read> {
  const expected = readByPages(root, options, 10_000);
  const { size } = await Deno.stat(pathOf(root));
  const wholeGaps = expected.gaps.filter(({ byteOffset, byteLength }) =>
    byteOffset! + byteLength! < size
  );
  let left = expected.events.length + wholeGaps.length;
  const read: Read = { events: [], gaps: [] };
  const run = { root, runId: RUN_ID };
  if (left === 0) return read;
  for await (const item of followOnPort<AnyEvent>(denoFilePort, run, options)) {
    if ("reason" in item) read.gaps.push(item);
    else read.events.push(item);
    if (--left === 0) break;
  }
  return read;
}

/** Every way to read a run, which all deliver the same. A follower waits for a torn tail, though. */
export const readers: Record<string, Reader> = {
  readRun: async (root, options) =>
    gather(await Array.fromAsync(readRun<AnyEvent>(root, RUN_ID, options))),
  readRunSync: (root, options) =>
    Promise.resolve(gather([...readRunSync<AnyEvent>(root, RUN_ID, options)])),
  "pages of one": (root, options) => Promise.resolve(readByPages(root, options, 1)),
  "pages of 10,000": (root, options) => Promise.resolve(readByPages(root, options, 10_000)),
  follow: followAll,
};

/** All that the plain reader delivers. */
export function readAll(root: string, options: ReadRunOptions<AnyEvent> = {}): Read {
  return gather([...readRunSync<AnyEvent>(root, RUN_ID, options)]);
}

/** The events alone. */
export function eventsOf(root: string): AnyEvent[] {
  return readAll(root).events.map(({ event }) => event);
}

/** `count` numbered events. */
export function numbered(count: number, first = 1): AnyEvent[] {
  return Array.from({ length: count }, (_, index) => ({ n: first + index }));
}

/** Those events as lines. */
export function numberedLines(count: number, first = 1): string {
  return numbered(count, first).map((event) => JSON.stringify(event) + "\n").join("");
}
