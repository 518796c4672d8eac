/** What a long flow costs: its nodes may not stay in memory, as each command is started by a fork. */
import { assert } from "@std/assert";
import { withMemoryDir } from "../_util/temp.ts";

const NODES = 2000;
/** Four hundred are taken; with the recording, and promises that wait for the end, 1,800 were. */
const MOST_BYTES = 800;

Deno.test("of a node that has ended a flow keeps no more than its state", () =>
  withMemoryDir(async (root) => {
    const program = new URL("./_long_chain.ts", import.meta.url).pathname;
    const flags = ["--no-check", "--v8-flags=--expose-gc"];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-all", ...flags, program, root, String(NODES)],
    }).output();
    const decoder = new TextDecoder();
    assert(success, decoder.decode(stderr));
    const used: number[] = JSON.parse(decoder.decode(stdout));
    // The first tenth has what is made once.
    const kept = (used.at(-1)! - used[1]!) / (NODES * 0.8);
    assert(kept < MOST_BYTES, `${Math.round(kept)} bytes a node`);
  }));
