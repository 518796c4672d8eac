/**
 * Makes run ids as it is told to: to a number it says so many, one a line.
 *
 * Usage: allocator.ts ROOT NAME
 */
import { newRunId } from "../../../eventlog/mod.ts";
import { commands, say } from "./_pipe.ts";

const [root = "", name = ""] = Deno.args;

say("ready");
for await (const line of commands()) {
  for (let left = Number(line); left > 0; left--) say(await newRunId({ root, name }));
}
