import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openRun } from "../../run/mod.ts";
import type { RuntimeInvoker } from "../../supervisor/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

const LONGEST_FLOW_NAME = "n".repeat(93);
const LONGEST_NODE_ID = "i".repeat(64);

async function writeNamedFlow(cwd: string, name: string, id = "a"): Promise<void> {
  const run = ["sh", "-c", "echo out; echo err >&2; exit 1"];
  const flow = { name, nodes: { [id]: { run } }, constraints: { max_retries: 1 } };
  await Deno.writeTextFile(`${cwd}/f.json`, JSON.stringify(flow));
}

Deno.test("the longest names that are taken work with every verb", () =>
  withTempDir(async (cwd) => {
    await writeNamedFlow(cwd, LONGEST_FLOW_NAME, LONGEST_NODE_ID);
    const ran = await taffrail(["run", "f.json", "--trace", "always"], { cwd });
    assertEquals([ran.code, ran.stderr], [1, ""]);
    const runId = await onlyRun(`${cwd}/.taffrail`);
    assertEquals(runId.length, 120);
    assertEquals(namesIn(`${cwd}/.taffrail/runs/${runId}/nodes`), [
      `${LONGEST_NODE_ID}.1.err`,
      `${LONGEST_NODE_ID}.1.out`,
      `${LONGEST_NODE_ID}.1.times`,
      `${LONGEST_NODE_ID}.2.err`,
      `${LONGEST_NODE_ID}.2.out`,
      `${LONGEST_NODE_ID}.2.times`,
    ]);
    const verbs = [["ls"], ["show", runId], ["follow", runId], ["trace", runId], ["replay", runId]];
    for (const args of [...verbs, ["diff", runId, runId], ["verify"], ["repair"]]) {
      const { code, stderr } = await taffrail(args, { cwd });
      assertEquals({ code, stderr }, { code: 0, stderr: "" }, args[0]);
    }
    const torn = `${cwd}/.taffrail/runs/${runId}/events.jsonl`;
    await Deno.writeTextFile(torn, "torn", { append: true });
    assertEquals((await taffrail(["repair"], { cwd })).code, 0);
    assertEquals((await taffrail(["prune", "--keep", "0"], { cwd })).code, 0);
    assertEquals(namesIn(`${cwd}/.taffrail/runs`), []);
    assertEquals(namesIn(`${cwd}/.taffrail/runtimes`), []);
  }));

Deno.test("names that are too long are refused at the door, with the limit, and nothing is made", () =>
  withTempDir(async (cwd) => {
    const refused = async (args: string[], says: string) => {
      const { code, stdout, stderr } = await taffrail(args, { cwd });
      assertEquals({ code, stdout }, { code: 2, stdout: "" });
      assertStringIncludes(stderr, says);
    };
    await writeNamedFlow(cwd, `${LONGEST_FLOW_NAME}n`);
    await refused(["run", "f.json"], "has 94 characters, and 93 is the most: choose a shorter one");
    await writeNamedFlow(cwd, "f", `${LONGEST_NODE_ID}i`);
    await refused(["run", "f.json"], "has 65 characters, and 64 is the most: choose a shorter one");
    await refused(
      ["exec", "--name", "e".repeat(65), "--", "true"],
      "it has 65 characters, and 64 is the most: choose a shorter one",
    );
    await refused(["exec", "--name", "", "--", "true"], "it is empty");
    await refused(["exec", "--name", "nul", "--", "true"], "it is the name of a Windows device");
    const options = { root: `${cwd}/.taffrail`, constraints: { max_retries: 0 } };
    const invoker: RuntimeInvoker = { run: () => "Completed" };
    const opened = await openRun({ ...options, name: `${LONGEST_FLOW_NAME}n`, invoker })
      .catch((error) => error);
    assert(opened instanceof TypeError);
    assertStringIncludes(opened.message, "at most 93");
    assertEquals(namesIn(cwd), ["f.json"]);
  }));

Deno.test("a program and tasks of any name make names that fit", () =>
  withTempDir(async (cwd) => {
    const program = "p".repeat(200);
    await Deno.writeTextFile(`${cwd}/${program}`, "#!/bin/sh\nexit 0\n", { mode: 0o755 });
    assertEquals((await taffrail(["exec", "--", `./${program}`], { cwd })).code, 0);
    const tasks = Object.fromEntries(["a", "b"].map((name) => [name.repeat(300), "true"]));
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ tasks }));
    const names = Object.keys(tasks).join(",");
    assertEquals((await taffrail(["run", "--tasks", names], { cwd })).code, 0);
    assertEquals((await taffrail(["verify"], { cwd })).code, 0);
  }));

Deno.test("a URL as --root is refused by every verb, and its password not printed", () =>
  withTempDir(async (cwd) => {
    const verbs = [
      ["ls"],
      ["show", "x"],
      ["follow", "x"],
      ["stop", "x"],
      ["resume", "x"],
      ["replay", "x"],
      ["trace", "x"],
      ["diff", "x", "y"],
      ["verify"],
      ["repair"],
      ["prune", "--keep", "1"],
      ["init"],
      ["run", "f.json"],
    ];
    for (const url of ["postgres://me:secret@db/x", "http://me:secret@h", "s3+x://secret"]) {
      for (const args of verbs) {
        const { code, stdout, stderr } = await ask([...args, "--root", url], cwd);
        assertEquals({ code, stdout }, { code: 2, stdout: "" }, args[0]);
        const [scheme] = url.split(":");
        const says = scheme === "postgres"
          ? "Cannot use --root: its URL has a password, which others can see; leave that out"
          : `Cannot use a ${scheme}:// URL as root: give the path of a directory, with --root\n`;
        assertEquals(stderr.slice(0, says.length), says);
        assertEquals(stderr.includes("secret"), false);
      }
      const { code, stderr } = await ask(["exec", `--root=${url}`, "--", "true"], cwd);
      assertEquals([code, stderr.includes("secret")], [2, false]);
    }
    assertEquals(namesIn(cwd), []);
  }));
