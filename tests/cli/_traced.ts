/** Flows whose system calls are counted and put in order. */
import { assertEquals } from "@std/assert";
import { canTrace, isSync, pathOf, type SystemCall, traceCalls } from "../_util/system_calls.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Ended, ENVIRONMENT, taffrailCommand } from "./_command.ts";

/** Whether this machine can trace: asked once. */
export const TRACES = canTrace();

/** A flow of nodes by name, as a file has it. */
export interface TracedFlow {
  nodes: Record<string, { run: string[]; needs?: string[] }>;
  constraints?: Record<string, unknown>;
}

/** A test that needs a trace; ignored, as its name says, where there is none. */
export function traceTest(name: string, fn: (cwd: string) => Promise<void>): void {
  Deno.test({ name: `${name} (needs strace)`, ignore: !TRACES, fn: () => withTempDir(fn) });
}

/** Runs `taffrail` to its end and gives its calls. */
export async function traceTaffrail(
  args: readonly string[],
  cwd: string,
  options: { inject?: string } = {},
): Promise<Ended & { calls: SystemCall[] }> {
  const command = taffrailCommand([...args]);
  // Outside of the root, and written over by the next.
  const trace = `${cwd}/trace`;
  return await traceCalls(command, { cwd, trace, env: ENVIRONMENT, ...options });
}

/** Runs a flow, and gives its calls. */
export async function traceFlow(
  flow: TracedFlow,
  cwd: string,
  options: { flags?: string[]; code?: number } = {},
): Promise<Ended & { calls: SystemCall[] }> {
  const { flags = [], code = 0 } = options;
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "traced", ...flow }));
  const traced = await traceTaffrail(["run", ...flags, "flow.json"], cwd);
  assertEquals(traced.code, code, traced.stderr);
  return traced;
}

/** How many syncs there were of files and folders of the directory. */
export function syncsBelow(calls: readonly SystemCall[], directory: string): SystemCall[] {
  return calls.filter((call) => isSync(call) && pathOf(call)?.startsWith(`${directory}/`));
}

/** Nodes one after the other; `run` says what the node of a name runs. */
export function chain(count: number, run: (id: string) => string[]): TracedFlow {
  const nodes: TracedFlow["nodes"] = {};
  for (let index = 0; index < count; index++) {
    nodes[`n${index}`] = {
      run: run(`n${index}`),
      ...(index > 0 && { needs: [`n${index - 1}`] }),
    };
  }
  return { nodes };
}

/** Nodes that need nothing, eight at once. */
export function eightAtOnce(count: number, run: (id: string) => string[]): TracedFlow {
  const ids = Array.from({ length: count }, (_, index) => `n${index}`);
  const nodes = Object.fromEntries(ids.map((id) => [id, { run: run(id) }]));
  return { nodes, constraints: { max_in_flight: 8 } };
}
