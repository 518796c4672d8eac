import { listRuns, readRunSync, type RunEvent } from "../../eventlog/mod.ts";
import { openFileRoot } from "../../run/mod.ts";
import type { RunView } from "../../run/types.ts";
import { isThere } from "../_util/files.ts";

/** What a test looks at in an event, whatever its type. */
export type AnyEvent = RunEvent & {
  node_id?: string;
  error?: { kind: string; cancelled?: boolean; exit_code?: number; signal?: string };
  reason?: string;
  message?: string;
  duration_ms?: number;
  attempt?: number;
  pid?: number;
  output_hash?: string;
  error_hash?: string;
  terminal?: boolean;
  resumed?: boolean;
};

/** A flow of shell commands, by the ids of the nodes, which run one at a time on any machine. */
export function shellFlow(
  commands: Record<string, string | { run: string } & Record<string, unknown>>,
): string {
  const nodes = Object.fromEntries(
    Object.entries(commands).map(([id, command]) => {
      const { run, ...rest } = typeof command === "string" ? { run: command } : command;
      return [id, { run: ["sh", "-c", run], ...rest }];
    }),
  );
  return JSON.stringify({ name: "flow", nodes, constraints: { max_in_flight: 1 } });
}

/** Writes a flow file, and gives its name. */
export async function writeFlow(
  directory: string,
  commands: Parameters<typeof shellFlow>[0],
): Promise<string> {
  await Deno.writeTextFile(`${directory}/flow.json`, shellFlow(commands));
  return "flow.json";
}

/** A run of a directory, to be read. */
export function placeOf(root: string, runId: string): { root: string; view: RunView } {
  return { root, view: openFileRoot(root).view(runId) };
}

/** The only run below a root. */
export async function onlyRun(root: string): Promise<string> {
  const runs = await listRuns(root);
  if (runs.length !== 1) throw new Error(`There are ${runs.length} runs`);
  return runs[0]!;
}

/** The events of a run. */
export function eventsOf(root: string, runId: string): AnyEvent[] {
  return [...readRunSync<AnyEvent>(root, runId)].flatMap(({ events, gaps }) => {
    if (gaps.length > 0) throw new Error(`The log has gaps: ${JSON.stringify(gaps)}`);
    return events.map(({ event }) => event);
  });
}

/** An event as `type node`. */
export function outlineOf(events: AnyEvent[]): string[] {
  return events.map(({ type, node_id: node }) => node === undefined ? type : `${type} ${node}`);
}

/** What a node printed to one of its outputs. */
export function outputOf(
  run: { root: string; runId: string },
  file: string,
): Promise<string> {
  return Deno.readTextFile(`${run.root}/runs/${run.runId}/nodes/${file}`);
}

/** Resolves as soon as a condition holds that a change below a directory brings about. */
export async function untilChanged(
  directory: string,
  isReached: () => boolean | Promise<boolean>,
): Promise<void> {
  const watcher = Deno.watchFs(directory);
  if (await isReached()) return watcher.close();
  for await (const _ of watcher) {
    if (await isReached()) break;
  }
}

/** Resolves when a file is there. */
export function untilExists(directory: string, name: string): Promise<void> {
  return untilChanged(directory, () => isThere(`${directory}/${name}`));
}

/** Whether a process runs; one that has ended and waits for its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, 0 as unknown as Deno.Signal);
  } catch {
    return false;
  }
  if (Deno.build.os !== "linux") return true;
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** Resolves when a condition holds of which nothing tells, as the end of a process that is no child. */
export async function poll(isReached: () => boolean): Promise<void> {
  while (!isReached()) await new Promise((resolve) => setTimeout(resolve, 5));
}
