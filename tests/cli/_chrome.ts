/** Traces of runs as other programs read them. */
import { assertEquals } from "@std/assert";
import { chromeProblems } from "../trace/_chrome_validator.ts";
import { taffrail } from "./_command.ts";

/** What the tests look at in an event. */
export interface ChromeEvent {
  ph: string;
  name: string;
  cat?: string;
  ts: number;
  dur: number;
  pid: number;
  tid: number;
  id?: number;
  args: Record<string, unknown>;
}

/** A trace, looked at. */
export interface LookedAt {
  events: ChromeEvent[];
  about: Record<string, unknown>;
  /** The name of each thread, behind that of its process. */
  threadOf(event: ChromeEvent): string;
  /** The slices of a category, in order. */
  slices(category: string): ChromeEvent[];
}

/** The trace of a run, after it was found to be right by the rules of the format and by the importer of DevTools. */
export async function chromeOf(cwd: string, run: string, more: string[] = []): Promise<LookedAt> {
  const { code, stdout, stderr } = await taffrail(["trace", ...more, "--chrome", "-", run], {
    cwd,
  });
  assertEquals([code, stderr], [0, ""]);
  return await lookAt(stdout);
}

/** The same of a text. */
export async function lookAt(text: string): Promise<LookedAt> {
  assertEquals(chromeProblems(text), []);
  const { traceEvents: events, otherData: about }: {
    traceEvents: ChromeEvent[];
    otherData: LookedAt["about"];
  } = JSON.parse(text);
  const names = new Map(
    events.filter(({ ph }) => ph === "M").map(({ name, pid, tid, args }) => {
      return [name === "process_name" ? `${pid}` : `${name} ${pid} ${tid}`, `${args.name}`];
    }),
  );
  const threadOf = ({ pid, tid }: ChromeEvent) => {
    return `${names.get(`${pid}`)} > ${names.get(`thread_name ${pid} ${tid}`)}`;
  };
  const drawn = events.filter(({ ph }) => ph === "X");
  assertEquals(await importedSlices(events), drawn.map((event) => slice(event, threadOf)).sort());
  const slices = (category: string) => drawn.filter(({ cat }) => cat?.split(",")[0] === category);
  return { events, about, threadOf, slices };
}

function slice(event: ChromeEvent, threadOf: (event: ChromeEvent) => string): string {
  return `${threadOf(event).split(" > ")[1]}: ${event.name} ${event.ts} +${event.dur}`;
}

/**
 * What the importer of Chrome's DevTools makes of a trace: the slices of each thread, none inside of another. Of what
 * overlaps it would make a tree that is deeper.
 */
async function importedSlices(events: readonly ChromeEvent[]): Promise<string[]> {
  Reflect.set(globalThis, "DOMRect", Reflect.get(globalThis, "DOMRect") ?? class {});
  const { TraceModel } = await import("@paulirish/trace_engine/models/trace/trace.js");
  const model = TraceModel.Model.createWithAllHandlers();
  await model.parse(structuredClone(events) as never);
  const { Renderer } = model.parsedTrace()!.data;
  return [...Renderer.processes.values()].flatMap(({ threads }) => {
    return [...threads.values()].flatMap(({ name, entries, tree }) => {
      if (entries.length > 0) assertEquals(tree?.maxDepth, 1, `${name}`);
      return entries.map((entry) => `${name}: ${entry.name} ${entry.ts} +${entry.dur}`);
    });
  }).sort();
}
