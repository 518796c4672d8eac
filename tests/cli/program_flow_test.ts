/** Flows that are programs: evaluated by who runs them, and by nobody else. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isThere } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { isRunning, onlyRun, outputOf } from "./_runs.ts";

const ROOT = ".taffrail";

const MATRIX = `
import { shout } from "shout";
interface Node { run: string[]; needs?: string[] }
export default async (args: string[]) => {
  await Promise.resolve();
  const nodes: Record<string, Node> = {};
  for (const os of args) nodes["test:" + os] = { run: ["sh", "-c", "echo " + shout(os)] };
  nodes.all = { run: ["sh", "-c", "echo done in $PWD; test -e ok"], needs: Object.keys(nodes) };
  return { name: "matrix", nodes };
};
`;

async function writeMatrix(cwd: string): Promise<void> {
  await Deno.mkdir(`${cwd}/sub dir#1`);
  await Deno.writeTextFile(`${cwd}/sub dir#1/flow.ts`, MATRIX);
  const imports = { shout: "./shout.ts" };
  await Deno.writeTextFile(`${cwd}/sub dir#1/deno.json`, JSON.stringify({ imports }));
  const shout = "export const shout = (text: string) => text.toUpperCase();";
  await Deno.writeTextFile(`${cwd}/sub dir#1/shout.ts`, shout);
}

Deno.test("a flow may be a function of the arguments, with the configuration of its folder", () =>
  withTempDir(async (cwd) => {
    await writeMatrix(cwd);
    const path = "sub dir#1/flow.ts";
    const first = await taffrail(["run", path, "--", "linux", "mac"], { cwd });
    assertEquals(first.code, 1, first.stderr);
    const run = { root: `${cwd}/${ROOT}`, runId: await onlyRun(`${cwd}/${ROOT}`) };
    const record = JSON.parse(
      await Deno.readTextFile(`${run.root}/runs/${run.runId}/flow.json`),
    );
    assertEquals(record.args, ["linux", "mac"]);
    assertEquals(record.nodes.map(({ id }: { id: string }) => id), [
      "test:linux",
      "test:mac",
      "all",
    ]);
    assertEquals(await outputOf(run, "test%3Alinux.1.out"), "LINUX\n");
    assertEquals(await outputOf(run, "all.1.out"), `done in ${cwd}/sub dir#1\n`);

    // The same arguments again, and what the module gives now.
    await Deno.writeTextFile(`${cwd}/sub dir#1/ok`, "");
    const again = await taffrail(["resume", "matrix"], { cwd });
    assertEquals(again.code, 0, again.stderr);
    assertEquals(isThere(`${run.root}/runs/${run.runId}/nodes/test%3Amac.2.out`), false);
  }));

Deno.test("what another evaluation makes other of what has completed is refused by name", () =>
  withTempDir(async (cwd) => {
    const write = (word: string) =>
      Deno.writeTextFile(
        `${cwd}/flow.mjs`,
        `export default { name: "f", nodes: { a: { run: ["echo", "${word}"] }, ` +
          `b: { run: ["false"], needs: ["a"] } } };`,
      );
    await write("one");
    assertEquals((await taffrail(["run", "flow.mjs"], { cwd })).code, 1);
    await write("two");
    const { code, stderr } = await taffrail(["resume", "f"], { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'node a, which has completed, has another "run" now');
  }));

Deno.test("what a module prints is no part of its flow, and is passed on", () =>
  withTempDir(async (cwd) => {
    const text = `console.log('{"name":"other"}'); console.error("words");
      export default Promise.resolve({ name: "f", nodes: { a: { run: ["true"] } } });
      setInterval(() => {}, 1000);`;
    await Deno.writeTextFile(`${cwd}/flow.js`, text);
    const { code, stdout, stderr } = await taffrail(["run", "flow.js"], { cwd });
    assertEquals(code, 0, stderr);
    assertStringIncludes(stderr, '{"name":"other"}\n');
    assertStringIncludes(stderr, "words\n");
    assertMatch(stdout, /^run_id=f-/);
  }));

Deno.test("what is wrong with a module is told, and nothing is recorded", async () => {
  const cases: [string, RegExp][] = [
    ["export const flow = {};", /it has no default export: export the flow, or a function that/],
    ["export default 5n;", /it gives a flow that is no JSON: /],
    ["export default () => {};", /it gives nothing instead of a flow$/m],
    ["export default { name: 'f' };", /it has no "nodes": add at least one/],
    ["export default { name: 'f', nodes: {}, more: 1 };", /it has the unknown key "more"/],
    [
      "\nexport default () => { throw new RangeError('no such system'); };",
      /it cannot be evaluated: RangeError: no such system \(at .*flow\.ts:2:\d+\)/,
    ],
    ["export default {", /it cannot be evaluated: SyntaxError: /],
    [
      "import './gone.ts'; export default {};",
      /it cannot be evaluated: TypeError: Module not found/,
    ],
    ["Deno.exit(3);", /it ended before it gave a flow \(exit code 3\)/],
    ["await new Promise(() => {});", /it ended before it gave a flow \(exit code 1\)/],
  ];
  await withTempDir(async (cwd) => {
    for (const [text, says] of cases) {
      await Deno.writeTextFile(`${cwd}/flow.ts`, text);
      const { code, stdout, stderr } = await taffrail(["run", "flow.ts"], { cwd });
      assertEquals({ code, stdout }, { code: 2, stdout: "" }, stderr);
      assertMatch(stderr, /Cannot run flow\.ts: it /);
      assertMatch(stderr, says);
    }
    const gone = await taffrail(["run", "none.ts"], { cwd });
    assertEquals(gone.stderr, "Cannot read the flow none.ts: there is no such file\n");
    await Deno.writeTextFile(`${cwd}/flow.json`, '{"name":"f","nodes":{"a":{"run":["true"]}}}');
    const given = await taffrail(["run", "flow.json", "--", "x"], { cwd });
    assertEquals(given.code, 2);
    assertStringIncludes(given.stderr, "Cannot run flow.json with arguments: only a flow that is");
    assertEquals(isThere(`${cwd}/${ROOT}`), false);
  });
});

Deno.test("verbs that read do not evaluate a flow", () =>
  withTempDir(async (cwd) => {
    await Deno.writeTextFile(`${cwd}/flow.ts`, "Deno.writeTextFileSync('evaluated', '');");
    await taffrail(["exec", "--trace", "always", "--name", "x", "--", "true"], { cwd });
    for (const verb of ["replay", "trace"]) {
      const option = verb === "trace" ? ["--replay"] : ["--live"];
      const args = [verb, ...option, "--flow", "flow.ts", "x"];
      const { code, stderr } = await taffrail(args, { cwd });
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, "it is a program, which only taffrail run and resume evaluate");
    }
    assertEquals(isThere(`${cwd}/evaluated`), false);
  }));

for (const busy of ["await new Promise((resolve) => setTimeout(resolve, 1e9));", "for (;;);"]) {
  Deno.test({
    name: `a signal ends a module that does not end by itself: ${busy}`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        await Deno.writeTextFile(`${cwd}/flow.ts`, `console.error("pid=" + Deno.pid); ${busy}`);
        await using running = startTaffrail(["run", "flow.ts"], { cwd });
        const pid = Number((await running.stderr.find(/^pid=/)).slice("pid=".length));
        running.kill("SIGINT");
        const { code, stderr } = await running.end();
        assertEquals(code, 130, stderr);
        assertStringIncludes(stderr, "SIGINT: flow.ts was not evaluated");
        assertEquals(isRunning(pid), false);
        assertEquals(isThere(`${cwd}/${ROOT}`), false);
      }),
  });
}
