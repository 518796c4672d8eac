/** What a drill finds of programs: real ones, with no more leave than they need, that are really killed. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, write } from "../_util/files.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type Ended, HAS_SIGNALS, taffrail } from "./_command.ts";

const RUN = new URL("../../run/mod.ts", import.meta.url).href;
const CONFIG = `${import.meta.dirname}/../../deno.json`;

/** What a program imports, and what replaces a file as a whole. */
const HEAD = `
import { durable, openRun, StepError } from ${JSON.stringify(RUN)};
const put = (path, text) => {
  Deno.writeTextFileSync(path + ".tmp", text);
  Deno.renameSync(path + ".tmp", path);
};
const append = (path, text) => Deno.writeTextFileSync(path, text, { append: true });
`;

/** A program with all that a run has: steps at the same time, a retry, a sleep, a gate, a record, an end. */
const IMPORT = `${HEAD}
const end = await durable({ root: Deno.env.get("TAFFRAIL_ROOT"), name: "import" }, async (run) => {
  const files = await run.step("list", () => ["a", "b"]);
  const rows = await Promise.all(files.map((file) =>
    run.step("import " + file, ({ attempt }) => {
      if (file === "b" && attempt === 1) throw new Error("busy");
      put(file, "rows of " + file);
      return { file };
    }, { input: { file }, retry: { maxRetries: 1 } })));
  await run.sleep("settle", 3_600_000);
  await run.record("rows", rows.length);
  const { by } = await run.waitFor("approved");
  await run.step("publish", () => PUBLISH);
  return { rows, by };
});
console.log(JSON.stringify(end));
`;

interface Place {
  cwd: string;
  drill(args: readonly string[], leave?: readonly string[]): Promise<Ended>;
}

const LEAVE = ["--allow-read", "--allow-write"];
const VARIABLES = "--allow-env=TAFFRAIL_ROOT,TAFFRAIL_RESUME,TAFFRAIL_DRILL";

/** Runs `use` with a folder that holds a program, of which each drill is given the command. */
async function withProgram(text: string, use: (place: Place) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const [cwd, scratch] = [`${directory}/program`, `${directory}/scratch`];
    await Deno.mkdir(cwd);
    await Deno.mkdir(scratch);
    write(`${cwd}/main.js`, text);
    const drill = (args: readonly string[], leave = [...LEAVE, VARIABLES]) => {
      const deno = [Deno.execPath(), "run", "--no-lock", "--no-prompt", "--config", CONFIG];
      return taffrail(["drill", ...args, "--", ...deno, ...leave, "main.js"], {
        cwd,
        env: { TMPDIR: scratch },
      });
    };
    await use({ cwd, drill });
    assertEquals(namesIn(scratch), []);
  });
}

/** What `--json` prints. */
function reportOf({ stdout, stderr }: Ended) {
  assert(stdout.startsWith("{"), stderr);
  return JSON.parse(stdout);
}

const EFFECTS = ["a", "b", "published"].flatMap((path) => ["--effects", path]);
const PASS = ["--pass", 'approved={"by":"ada"}'];

function test(name: string, text: string, use: (place: Place) => Promise<void>): void {
  Deno.test({ name, ignore: !HAS_SIGNALS, fn: () => withProgram(text, use) });
}

test(
  "a program whose steps replace whole files survives every cut, and its sleeps are due",
  IMPORT.replace("PUBLISH", 'put("published", by)'),
  async ({ cwd, drill }) => {
    const count = longCount(10, 20);
    const sample = ["--sample", String(count), "--seed", String(seed() % 1e9)];
    const ended = await drill([...EFFECTS, ...PASS, ...sample, "--json"]);
    const { ok, points, tried, findings, not_reached: notReached, notes } = reportOf(ended);
    assertEquals(findings, []);
    // Four points of each of the five attempts.
    assertEquals({ ok, code: ended.code, points, tried, notReached, notes }, {
      ok: true,
      code: 0,
      points: 20,
      tried: count,
      notReached: [],
      notes: [],
    });
    assertEquals(namesIn(cwd), ["main.js"]);
  },
);

test(
  "a step that appends is named; a root in the copy is found",
  `${HEAD}
  await durable({ root: "records/of/runs", name: "post" }, async (run) => {
    const by = await run.step("ask", () => "ada");
    await run.step("publish", () => append("published", by + "\\n"));
  });
  `,
  async ({ drill }) => {
    const ended = await drill(["--effects", "published"]);
    assertEquals(ended.code, 1, ended.stderr);
    assertStringIncludes(
      ended.stdout,
      "✗ attempt 1 of publish, cut off when its work was over: " +
        "published has 2 lines instead of 1\n",
    );
    assertStringIncludes(
      ended.stdout,
      "\n    a step that is cut off runs again; make publish idempotent: ",
    );
    assert(/ does not survive 2 cuts of 8: publish\n$/.test(ended.stdout), ended.stdout);
  },
);

test(
  "a program whose steps depend on what runs outside of them gives something else",
  `${HEAD}
  let calls = 0;
  const root = Deno.env.get("TAFFRAIL_ROOT");
  const total = await durable({ root, name: "sum" }, async (run) => {
    const parts = [];
    for (const id of ["a", "b"]) parts.push(await run.step(id, () => ++calls));
    return parts;
  });
  `,
  async ({ drill }) => {
    const { ok, findings } = reportOf(await drill(["--json"]));
    assertEquals(ok, false);
    const kinds = new Set(findings.map(({ what }: { what: string }) => what));
    // Begun anew, the program counts from the start again.
    assertEquals([...kinds].sort(), ["output", "result"]);
  },
);

test(
  "a program that does not go on with its run is found out",
  `${HEAD}
  const root = Deno.env.get("TAFFRAIL_ROOT");
  const runId = "r-" + crypto.randomUUID();
  await durable({ root, name: "new", runId }, (run) => run.step("a", () => put("a", "a")));
  `,
  async ({ drill }) => {
    const ended = await drill(["--json"]);
    assertEquals(ended.code, 1);
    const { findings, tried } = reportOf(ended);
    assertEquals(findings.length, tried);
    for (const { what, message } of findings) {
      assertEquals(what, "resume");
      assertStringIncludes(message, "it began a new run instead of going on with the one");
    }
  },
);

test(
  "openRun() is drilled too, with a saga that compensates a failure that it has caught",
  `${HEAD}
  await using run = await openRun({ root: ".taffrail", runId: "order-1", name: "order" });
  try {
    await run.step("charge", () => put("charged", "yes"));
    await run.step("ship", () => { throw new Error("sold out"); });
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    await run.step("refund", () => put("refunded", error.stepId));
  }
  await run.finish("refunded");
  `,
  async ({ drill }) => {
    const effects = ["--effects", "charged", "--effects", "refunded"];
    const ended = await drill([...effects, "--json"]);
    const { ok, findings, tried } = reportOf(ended);
    assertEquals({ ok, findings, tried }, { ok: true, findings: [], tried: 12 });
  },
);

test(
  "a program that cannot be drilled is told why, at once",
  IMPORT.replace("PUBLISH", "{}").replace('Deno.env.get("TAFFRAIL_ROOT")', '".taffrail"'),
  async ({ cwd, drill }) => {
    const blind = await drill(PASS, LEAVE);
    assertEquals(blind.code, 1, blind.stderr);
    assertStringIncludes(blind.stdout, "to be allowed to read TAFFRAIL_DRILL");
    const waits = await drill([]);
    assertEquals({ code: waits.code, stdout: waits.stdout }, { code: 2, stdout: "" });
    assertStringIncludes(waits.stderr, 'it waits at the gate "approved"; say --pass approved');
    const here = await drill(["--here", ...PASS]);
    assertEquals({ code: here.code, stdout: here.stdout }, { code: 2, stdout: "" });
    assertStringIncludes(here.stderr, `Cannot drill here: it records in ${cwd}/.taffrail`);
  },
);
