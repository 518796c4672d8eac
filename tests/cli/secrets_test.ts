/** Values of variables: nowhere in what is recorded, and told when they change. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { walk } from "@std/fs/walk";
import { digestKeyPath, runPaths } from "../../_internal/root_layout.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { onlyRun, outputOf } from "./_runs.ts";

const SECRET = "s3cr3t-value-7391";
const OTHER = "plain-value-2846";

/** Every file below a root, with its text, as far as one of the values stands in it. */
async function filesWith(root: string, value: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of walk(root, { includeDirs: false })) {
    const bytes = new TextDecoder("latin1").decode(await Deno.readFile(path));
    if (bytes.includes(value)) found.push(path);
  }
  return found;
}

interface SecretFlow {
  token?: string;
  url?: string;
}

/** A flow whose first node has variables, and whose second one fails until the file `ok` is there. */
async function writeFlow(cwd: string, { token = SECRET, url = OTHER }: SecretFlow) {
  await Deno.writeTextFile(`${cwd}/.env`, `TOKEN=${token}\n`);
  const script = 'printf "%s|" "$TOKEN" "x${TOKEN}y"; echo "no $TOKEN" >&2; exit 3';
  const flow = {
    name: "flow",
    env_file: ".env",
    secret: ["TOKEN"],
    nodes: {
      first: { run: ["sh", "-c", 'test -n "$URL"'], env: { URL: url } },
      second: {
        run: ["sh", "-c", `test -e ok || { ${script}; }`, token],
        env: { URL: url },
        needs: ["first"],
      },
    },
  };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

Deno.test("no value of a variable is recorded, and secret ones are masked wherever they stand", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, {});
    const root = `${cwd}/.taffrail`;
    const ran = await taffrail(["run", "--trace", "always", "flow.json"], { cwd });
    assertEquals(ran.code, 1);
    const runId = await onlyRun(root);
    const labelled = await taffrail(
      ["run", "--root", "other", "--output", "labelled", "flow.json"],
      { cwd },
    );
    assert(!`${labelled.stdout}${labelled.stderr}`.includes(SECRET));
    assertStringIncludes(labelled.stdout, "x***y");
    assertEquals(await filesWith(root, SECRET), []);
    assertEquals(await filesWith(root, OTHER), []);
    assert(!`${ran.stdout}${ran.stderr}`.includes(SECRET));
    assertEquals(await outputOf({ root, runId }, "second.1.out"), "***|x***y|");
    assertEquals(await outputOf({ root, runId }, "second.1.err"), "no ***\n");
    assertStringIncludes(ran.stdout, "no ***");
    const journal = await Deno.readTextFile(runPaths(root, runId).journal);
    assertStringIncludes(journal, '"output_masked":true');
    for (const verb of ["show", "trace", "verify", "replay"]) {
      const { code, stdout, stderr } = await taffrail([verb, runId], { cwd });
      assertEquals(code, 0, `${verb}: ${stdout}${stderr}`);
      assert(!`${stdout}${stderr}`.includes(SECRET), verb);
    }
    await Deno.writeTextFile(`${cwd}/ok`, "");
    const resumed = await taffrail(["resume", "flow"], { cwd });
    assertEquals(resumed.code, 0, resumed.stderr);
    assertEquals(await filesWith(root, SECRET), []);
    assertEquals((await taffrail(["replay", "--flow", "flow.json", runId], { cwd })).code, 0);
  });
});

Deno.test("who goes on is told which variables have another value, of nodes that have completed too", async () => {
  await withTempDir(async (cwd) => {
    await writeFlow(cwd, {});
    await taffrail(["run", "flow.json"], { cwd });
    await writeFlow(cwd, { url: "changed", token: "also-changed" });
    const { stderr } = await taffrail(["resume", "flow"], { cwd });
    assertStringIncludes(
      stderr,
      "node first is given another value of TOKEN, URL than before; it has completed, and that stands",
    );
    assertStringIncludes(
      stderr,
      "node second is given another value of TOKEN, URL than before\n",
    );
    // It is recorded now.
    const again = await taffrail(["resume", "flow"], { cwd });
    assert(!again.stderr.includes("another value"), again.stderr);
    const key = digestKeyPath(`${cwd}/.taffrail`);
    assertEquals((await Deno.stat(key)).mode! & 0o777, 0o600);
    await Deno.remove(key);
    const unknown = await taffrail(["resume", "flow"], { cwd });
    assertStringIncludes(unknown.stderr, "cannot be told: the root has another key");
  });
});

Deno.test("--mask keeps variables of the environment out of what exec records, and not of what it prints", async () => {
  await withTempDir(async (cwd) => {
    const env = { TOKEN: SECRET };
    const script = 'echo "$1"; exit 3';
    const args = [
      "exec",
      "--mask",
      "TOKEN",
      "--name",
      "job",
      "--",
      "sh",
      "-c",
      script,
      "sh",
      SECRET,
    ];
    const ran = await taffrail(args, { cwd, env });
    assertEquals([ran.code, ran.stdout], [3, `${SECRET}\n`]);
    assertEquals(await filesWith(`${cwd}/.taffrail`, SECRET), []);
    // What was masked is nowhere, so nobody can run it again.
    const resumed = await taffrail(["resume", "job"], { cwd, env });
    assertEquals(resumed.code === 0, false);
    assertMatch(resumed.stderr, /the command of job had secret values, .*run it anew/);
    const replayed = await taffrail(["replay", "--live", "job"], { cwd, env });
    assertMatch(replayed.stderr, /its command had secret values/);
  });
});

Deno.test("a command is not told of an output in which something secret stood", async () => {
  await withTempDir(async (cwd) => {
    const tell = 'echo "${TAFFRAIL_OUTPUT_PRINT-none}"';
    const flow = {
      name: "flow",
      env: { TOKEN: SECRET },
      secret: ["TOKEN"],
      nodes: {
        print: { sh: "echo $TOKEN" },
        use: { sh: `${tell}; test -e ok`, needs: ["print"] },
      },
    };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const says = "use is not told of what print printed (TAFFRAIL_OUTPUT_PRINT): secret values";
    assertStringIncludes((await taffrail(["run", "flow.json"], { cwd })).stderr, says);
    await Deno.writeTextFile(`${cwd}/ok`, "");
    assertStringIncludes((await taffrail(["resume", "flow"], { cwd })).stderr, says);
    const root = `${cwd}/.taffrail`;
    assertEquals(await outputOf({ root, runId: await onlyRun(root) }, "use.2.out"), "none\n");
  });
});

Deno.test("a secret that has no value is told, so that a misspelt name is seen", async () => {
  await withTempDir(async (cwd) => {
    const { stderr } = await taffrail(["exec", "--mask", "TOKNE", "--", "true"], { cwd });
    assertStringIncludes(stderr, "the secret TOKNE has no value: nothing is masked");
  });
});
