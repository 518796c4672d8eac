/** The lessons of `examples`: how their first lines say that they are run, and how they are killed. */
import { assertEquals } from "@std/assert";
import { type Ended, RunningProcess } from "../_util/process.ts";
import type { Point } from "../_util/end_at.ts";

/** Where the lessons are. */
export const DIRECTORY = `${import.meta.dirname}/../../examples`;

const KILLED_AT = import.meta.resolve("../_util/killed_at.ts");

/** The options of Deno in the command that stands at the top of a lesson. */
async function optionsOf(name: string): Promise<string[]> {
  const text = await Deno.readTextFile(`${DIRECTORY}/${name}`);
  const words = /^ \* Run: deno run (.*)$/m.exec(text)![1]!.split(" ");
  assertEquals(words.pop(), `examples/${name}`);
  return words;
}

/** Runs a lesson as its first lines say. */
export async function runLesson(name: string, cwd: string): Promise<Ended> {
  const args = ["run", "--quiet", ...await optionsOf(name), `${DIRECTORY}/${name}`];
  const env = { NO_COLOR: "1" };
  await using lesson = new RunningProcess([Deno.execPath(), ...args], { cwd, env });
  return await lesson.end();
}

/** Runs a lesson until it gets a signal, which is SIGKILL if not said, at a point of what it records. */
export async function killLesson(name: string, cwd: string, point: Point): Promise<Ended> {
  const args = ["run", "--quiet", "--allow-all", `--preload=${KILLED_AT}`, `${DIRECTORY}/${name}`];
  const env = { NO_COLOR: "1", KILLED_AT: JSON.stringify(point) };
  await using lesson = new RunningProcess([Deno.execPath(), ...args], { cwd, env });
  return await lesson.end();
}
