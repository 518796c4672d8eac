import { bundleCommand } from "../../_tools/bundle.ts";
import { withDirectory } from "./temp_directory.ts";

const project = new URL("../..", import.meta.url).pathname;

/** How the nodes of a flow stand to each other. */
export type Shape = "chain" | "eight at once";

/** The words that start the command: from its source, and as it is published. */
export interface Taffrail {
  source: string[];
  bundle: string[];
}

/** Runs the body with the command, which is bundled for it. */
export async function withTaffrail<T>(body: (taffrail: Taffrail) => Promise<T>): Promise<T> {
  return await withDirectory(async (directory) => {
    await bundleCommand(project, directory);
    return await body({
      source: denoRun(`${project}cli/main.ts`),
      bundle: denoRun(`${directory}/taffrail.js`),
    });
  });
}

/** The words that run a program with Deno. */
export function denoRun(program: string, ...args: string[]): string[] {
  return [Deno.execPath(), "run", "--allow-all", "--no-lock", program, ...args];
}

/** Names for so many nodes. */
export function nodeNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `n${index}`);
}

/** Writes `flow.json` with nodes that run `true`. */
export async function writeFlow(directory: string, shape: Shape, count: number): Promise<void> {
  const names = nodeNames(count);
  const nodes = Object.fromEntries(names.map((name, index) => {
    const needs = shape === "chain" && index > 0 ? [names[index - 1]!] : [];
    return [name, { run: ["true"], needs }];
  }));
  const constraints = { max_in_flight: shape === "chain" ? 1 : 8 };
  const flow = { name: "bench", nodes, constraints };
  await Deno.writeTextFile(`${directory}/flow.json`, JSON.stringify(flow));
}
