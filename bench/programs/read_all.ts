// deno-lint-ignore-file no-console -- the parent reads it
/**
 * Reads a whole log and prints the greatest resident memory of this process, in MiB.
 *
 * Usage: `read_all.ts ROOT sync|async`
 */
import { readRun, readRunSync } from "../../eventlog/mod.ts";
import { RUN_ID } from "../harness/sample_log.ts";

let mostBytes = 0;
function look(): void {
  mostBytes = Math.max(mostBytes, Deno.memoryUsage().rss);
}

const [root, mode] = Deno.args;
look();
if (mode === "sync") { for (const _page of readRunSync(root!, RUN_ID)) look(); }
if (mode === "async") { for await (const _page of readRun(root!, RUN_ID)) look(); }
console.log(JSON.stringify(mostBytes / 1024 / 1024));
