/** Every file that a run of the command consists of is verified, and made again where another one has it. */
import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { newEventId, openEventLog } from "../../eventlog/mod.ts";
import { openRun } from "../../run/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { removeRuntime, runtimeDirectory } from "../../store/mod.ts";
import { isThere, namesIn } from "../_util/files.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, taffrail } from "./_command.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

/** A problem, as `--json` prints it. */
interface Problem {
  part: string;
  kind: string;
  path: string;
  message: string;
  repair: string | null;
}

async function verify(cwd: string) {
  const { code, stdout } = await taffrail(["verify", "--json"], { cwd });
  const { ok, problems, notes } = JSON.parse(stdout) as {
    ok: boolean;
    problems: Problem[];
    notes: Problem[];
  };
  assertEquals([code, ok], problems.length === 0 ? [0, true] : [1, false]);
  return { problems, notes };
}

async function repair(cwd: string) {
  const { stdout } = await taffrail(["repair", "--json"], { cwd });
  return JSON.parse(stdout) as {
    ok: boolean;
    repairs: { part: string; kept: string | null }[];
    remaining: Problem[];
  };
}

/** A run of two nodes that print to both streams, and the folder of it. */
async function recordFlow(cwd: string): Promise<string> {
  await writeFlow(cwd, {
    a: "echo original; echo beside >&2",
    b: { run: "printf b", needs: ["a"], env: { B_VARIABLE: "b" } },
  });
  const { code } = await taffrail(["run", "flow.json"], { cwd });
  assertEquals(code, 0);
  return `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
}

/** A failed run of one node. */
async function recordFailure(cwd: string): Promise<string> {
  const command = ["sh", "-c", "echo before; echo why >&2; exit 3"];
  await taffrail(["exec", "--", ...command], { cwd });
  return `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
}

async function edit(path: string, change: (text: string) => string): Promise<void> {
  await Deno.writeTextFile(path, change(await Deno.readTextFile(path)));
}

function firstLines(text: string, count: number): string {
  return text.split("\n").slice(0, count).map((line) => `${line}\n`).join("");
}

interface Damage {
  what: string;
  damage: (run: string) => Promise<void>;
  /** Part and kind of each problem. */
  found: [part: string, kind: string][];
  /** The same of each note. */
  noted?: [part: string, kind: string][];
  /** Whether `repair` leaves nothing. */
  isMended: boolean;
  /** How many it leaves, where it mends some. */
  left?: number;
}

const DAMAGES: Damage[] = [
  {
    what: "an output that was changed",
    damage: (run) => Deno.writeTextFile(`${run}/nodes/a.1.out`, "forged\n"),
    found: [["output", "differs"]],
    isMended: false,
  },
  {
    what: "an error output that was cut",
    damage: (run) => Deno.truncate(`${run}/nodes/a.1.err`, 3),
    found: [["output", "differs"]],
    isMended: false,
  },
  {
    what: "outputs that are gone",
    damage: async (run) => {
      await Deno.remove(`${run}/nodes/a.1.err`);
      await Deno.remove(`${run}/nodes/b.1.out`);
    },
    found: [["output", "missing"], ["output", "missing"]],
    isMended: false,
  },
  {
    what: "a folder in place of an output",
    damage: async (run) => {
      await Deno.remove(`${run}/nodes/a.1.out`);
      await Deno.mkdir(`${run}/nodes/a.1.out`);
    },
    found: [["output", "unreadable"]],
    isMended: false,
  },
  {
    what: "a journal and a bundle that are gone",
    damage: async (run) => {
      await Deno.remove(`${run}/capture.json`);
      await Deno.remove(`${run}/capture.jsonl`);
    },
    found: [["capture", "missing"]],
    isMended: false,
  },
  {
    what: "a journal and a bundle that are garbage",
    damage: async (run) => {
      await Deno.writeTextFile(`${run}/capture.json`, "garbage\n");
      await Deno.writeTextFile(`${run}/capture.jsonl`, "garbage\n");
    },
    found: [["capture", "unreadable"], ["bundle", "unreadable"]],
    isMended: false,
  },
  {
    what: "a bundle that is gone",
    damage: (run) => Deno.remove(`${run}/capture.json`),
    found: [["bundle", "missing"]],
    isMended: true,
  },
  {
    what: "a journal that is gone",
    damage: (run) => Deno.remove(`${run}/capture.jsonl`),
    found: [["capture", "missing"]],
    isMended: true,
  },
  {
    what: "a journal that is empty",
    damage: (run) => Deno.writeTextFile(`${run}/capture.jsonl`, ""),
    found: [["capture", "missing"]],
    isMended: true,
  },
  {
    what: "a journal that is garbage",
    damage: (run) => Deno.writeTextFile(`${run}/capture.jsonl`, "garbage\n"),
    found: [["capture", "unreadable"]],
    isMended: true,
  },
  {
    what: "a journal that lost its last lines",
    damage: (run) => edit(`${run}/capture.jsonl`, (text) => firstLines(text, 5)),
    found: [["capture", "lost-lines"]],
    isMended: true,
  },
  {
    what: "a journal with a damaged line within",
    damage: (run) =>
      edit(`${run}/capture.jsonl`, (text) => text.replace('"decision"', '"decisi0n"')),
    found: [["capture", "unreadable"]],
    isMended: true,
  },
  {
    what: "a flow that is gone",
    damage: (run) => Deno.remove(`${run}/flow.json`),
    found: [["flow", "missing"]],
    isMended: false,
  },
  {
    what: "a flow that is garbage",
    damage: (run) => Deno.writeTextFile(`${run}/flow.json`, "\0\0\0"),
    found: [["flow", "unreadable"]],
    isMended: false,
  },
  {
    what: "a flow that was changed",
    damage: (run) => edit(`${run}/flow.json`, (text) => text.replace("original", "forged")),
    found: [["flow", "differs"]],
    isMended: false,
  },
  {
    what: "a log that is gone",
    damage: (run) => Deno.remove(`${run}/events.jsonl`),
    found: [["log", "missing"]],
    isMended: true,
  },
  {
    what: "a log that is empty",
    damage: (run) => Deno.writeTextFile(`${run}/events.jsonl`, ""),
    found: [["log", "lost-events"]],
    isMended: true,
  },
  {
    what: "a log that lost its last lines",
    damage: (run) => edit(`${run}/events.jsonl`, (text) => firstLines(text, 2)),
    found: [["log", "lost-events"]],
    isMended: true,
  },
  {
    what: "a log that lost a line within",
    damage: (run) =>
      edit(`${run}/events.jsonl`, (text) => {
        return text.split("\n").filter((line) => !/node.completed.*"a"/.test(line)).join("\n");
      }),
    found: [["log", "lost-events"]],
    isMended: true,
  },
  {
    what: "an output and its digest in the log that were changed together",
    damage: async (run) => {
      const [right, forged] = await Promise.all(
        ["original\n", "forged\n"].map(async (text) => {
          const bytes = new TextEncoder().encode(text);
          return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
        }),
      );
      await Deno.writeTextFile(`${run}/nodes/a.1.out`, "forged\n");
      await edit(`${run}/events.jsonl`, (text) => text.replace(right!, forged!));
    },
    found: [["log", "differs"], ["output", "differs"]],
    isMended: false,
  },
  {
    what: "another end of a node in the log",
    damage: (run) =>
      edit(`${run}/events.jsonl`, (text) => {
        const failed = '"type":"node.failed","error":{"kind":"crash"}';
        return text.replace('"type":"node.completed"', failed);
      }),
    found: [["log", "differs"]],
    isMended: false,
  },
  {
    what: "a damaged node in a line of the log",
    damage: (run) =>
      edit(`${run}/events.jsonl`, (text) => {
        return text.replace(/("type":"node.completed".*"node_id":)"a"/, '$1"q"');
      }),
    found: [["log", "lost-events"], ["log", "differs"]],
    isMended: false,
    left: 1,
  },
  ...["null", "[]", '"text"', "{}", "[".repeat(100_000), "", "\0\0"].map((text): Damage => ({
    what: `a run.json that is ${JSON.stringify(text.slice(0, 9))}`,
    damage: (run) => Deno.writeTextFile(`${run}/run.json`, text),
    found: [["run", "unreadable"]],
    isMended: true,
  })),
  ...["", "{", "null", "\0\0"].map((text): Damage => ({
    what: `a trace.2.json of an earlier failure that is ${JSON.stringify(text)}`,
    damage: (run) => Deno.writeTextFile(`${run}/trace.2.json`, text),
    found: [["trace", "unreadable"]],
    isMended: true,
  })),
  {
    what: "a run.json that is gone",
    damage: (run) => Deno.remove(`${run}/run.json`),
    found: [["run", "missing"]],
    isMended: true,
  },
  {
    what: "a runtime that is gone",
    damage: (run) => {
      const [root, runId] = run.split("/runs/") as [string, string];
      return Deno.remove(runtimeDirectory(root, runId), { recursive: true });
    },
    found: [],
    noted: [["store", "behind-log"]],
    isMended: true,
  },
  {
    what: "a runtime in which nothing is yet but who makes it",
    damage: async (run) => {
      const [root, runId] = run.split("/runs/") as [string, string];
      const runtime = runtimeDirectory(root, runId);
      for (const name of namesIn(runtime)) {
        if (name !== "owner.lock") await Deno.remove(`${runtime}/${name}`, { recursive: true });
      }
    },
    found: [],
    noted: [["store", "behind-log"]],
    isMended: true,
  },
  {
    what: "a runtime that has what the log has not",
    damage: async (run) => {
      const [root, runId] = run.split("/runs/") as [string, string];
      await removeRuntime(root, runId);
      await using workers = await RunWorkers.open({ root, runId, name: "flow" });
      const begin = { type: "node.started", node_id: "z", kind: "command", attempt: 1 };
      await workers.take({ id: newEventId(), ts: "2026-01-01T00:00:00Z", run_id: runId, ...begin });
    },
    found: [["store", "differs"]],
    isMended: true,
  },
  {
    what: "a runtime whose journal was damaged where nothing else has it",
    damage: async (run) => {
      const [root, runId] = run.split("/runs/") as [string, string];
      const path = `${runtimeDirectory(root, runId)}/events.jsonl`;
      await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace(/^.*\n.*\n/, ""));
    },
    found: [["store", "gap"]],
    isMended: true,
  },
];

const ENGINE_WORDS =
  /Cannot (?:read|destructure) propert|is not (?:a function|iterable)|call stack/;

for (const { what, damage, found, noted = [], isMended, left } of DAMAGES) {
  Deno.test(`verify and repair of a run of the command: ${what}`, async () => {
    await withMemoryDir(async (cwd) => {
      const run = await recordFlow(cwd);
      assertEquals(await verify(cwd), { problems: [], notes: [] });
      const before = JSON.parse((await taffrail(["show", "flow", "--json"], { cwd })).stdout);
      await damage(run);

      const { problems, notes } = await verify(cwd);
      assertEquals(problems.map(({ part, kind }) => [part, kind]), found);
      assertEquals(notes.map(({ part, kind }) => [part, kind]), noted);
      const remains = left ?? (isMended ? 0 : found.length);
      assertEquals(problems.filter((problem) => problem.repair === null).length, remains);
      for (const { message } of problems) assertEquals(ENGINE_WORDS.test(message), false, message);
      for (const verb of ["resume", "show", "replay", "ls", "trace", "follow"]) {
        const { stdout, stderr } = await taffrail(verb === "ls" ? [verb] : [verb, "flow"], { cwd });
        assertEquals(ENGINE_WORDS.test(stdout + stderr), false, stdout + stderr);
      }
      // What resume mends of a log is none of this test.
      if (found.some(([part]) => part === "log")) {
        if ((await verify(cwd)).problems.length === 0) return;
      }

      const { ok, repairs, remaining } = await repair(cwd);
      assertEquals([ok, repairs.length > 0], [isMended, remains < found.length || isMended]);
      assertEquals(remaining.length, remains);
      assertEquals((await repair(cwd)).repairs, []);
      if (!isMended) return;
      assertEquals(await verify(cwd), { problems: [], notes: [] });
      const after = JSON.parse((await taffrail(["show", "flow", "--json"], { cwd })).stdout);
      assertEquals([after.state, after.pipe], [before.state, before.pipe]);
      const outline = ({ id, status, name, attempt }: typeof before.nodes[0]) => {
        return { id, status, name, attempt };
      };
      assertEquals(after.nodes.map(outline), before.nodes.map(outline));
      assertEquals((await taffrail(["replay", "flow"], { cwd })).code, 0);
    });
  });
}

Deno.test("what a node printed is told with node, attempt, file and both digests", async () => {
  await withMemoryDir(async (cwd) => {
    const run = await recordFailure(cwd);
    assertEquals((await verify(cwd)).problems, []);
    await Deno.writeTextFile(`${run}/nodes/sh.1.err`, "another\n");
    const [problem] = (await verify(cwd)).problems;
    assertMatch(problem!.path, /\/nodes\/sh\.1\.err$/);
    assertMatch(
      problem!.message,
      /^what node sh printed in attempt 1 was changed: its digest is sha256:\w{64}, and the journal has sha256:\w{64}$/,
    );
  });
});

Deno.test("the log of a failed run is written again from its journal, with its reason", async () => {
  await withMemoryDir(async (cwd) => {
    const run = await recordFailure(cwd);
    await Deno.remove(`${run}/events.jsonl`);
    const listed = await taffrail(["ls"], { cwd });
    assertStringIncludes(listed.stdout, "capture.jsonl is there: taffrail repair ");
    assertEquals((await repair(cwd)).ok, true);
    const { state, nodes } = JSON.parse((await taffrail(["show", "sh", "--json"], { cwd })).stdout);
    assertEquals(state, { Aborted: { reason: "node sh failed: crash" } });
    assertEquals(nodes[0].status, { Failed: { kind: "crash", message: "why" } });
    assertEquals(nodes[0].exit_code, 3);
    assertEquals(typeof nodes[0].duration_ms, "number");
  });
});

Deno.test("what was recorded before there were digests has nothing to compare", async () => {
  await withMemoryDir(async (cwd) => {
    const run = await recordFlow(cwd);
    await Deno.remove(`${run}/capture.json`);
    for (const name of ["events.jsonl", "capture.jsonl"]) {
      await edit(
        `${run}/${name}`,
        (text) =>
          text.replaceAll(/"(?:output|error)_hash": ?"[^"]*",?\s*/g, "").replaceAll(
            /,(?=\s*})/g,
            "",
          ),
      );
    }
    assertEquals((await repair(cwd)).ok, true);
    await Deno.remove(`${run}/nodes`, { recursive: true });
    assertEquals((await verify(cwd)).problems, []);
  });
});

Deno.test("a log of another program implies no other file", async () => {
  await withMemoryDir(async (cwd) => {
    const run = `${cwd}/.taffrail/runs/theirs`;
    await Deno.mkdir(run, { recursive: true });
    const base = { ts: "2026-04-15T12:00:00Z", run_id: "theirs" };
    const events = [
      { ...base, id: "01kpfntqeej7vhn935kc0tm9v0", type: "pipe.started", pipe: "p", inputs: [] },
      {
        ...base,
        id: "01kpfntqeej7vhn935kc0tm9v1",
        type: "node.started",
        node_id: "a",
        kind: "bash",
      },
      {
        ...base,
        id: "01kpfntqeej7vhn935kc0tm9v2",
        type: "node.completed",
        node_id: "a",
        output_hash: `sha256:${"0".repeat(64)}`,
      },
    ];
    await Deno.writeTextFile(
      `${run}/events.jsonl`,
      events.map((event) => `${JSON.stringify(event)}\n`).join(""),
    );
    assertEquals(await verify(cwd), { problems: [], notes: [] });
  });
});

Deno.test("a killed run lacks nothing, and what only resuming completes is a note", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withMemoryDir(async (cwd) => {
    const runId = await recordAndKill(cwd);
    const run = `${cwd}/.taffrail/runs/${runId}`;
    const found = await verify(cwd);
    assertEquals(found.problems, []);
    // It follows the log in batches, of which there was none yet.
    assertEquals(found.notes.map(({ part, kind }) => [part, kind]), [["store", "unfinished"]]);
    const { ok, repairs } = await repair(cwd);
    assertEquals([ok, repairs], [true, []]);
    // Killed between the journal and the log.
    await edit(`${run}/capture.jsonl`, (text) => {
      const lines = text.trimEnd().split("\n");
      const end = { episode_id: 0, attempt: 1, termination: "Completed" };
      const at = { secs: 1795994770, nanos: 0 };
      return `${text}${
        JSON.stringify({ line: lines.length + 1, type: "completion", ...end, at })
      }\n`;
    });
    const { notes } = await verify(cwd);
    assertEquals(notes.map(({ part, kind }) => [part, kind]), [["log", "unfinished"]]);
    assertEquals(
      notes[0]!.message,
      "it lacks what the capture journal has: the end of cat (attempt 1); resuming writes it",
    );
    const shown = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
    assertEquals([shown.state, shown.is_orphan, shown.nodes[0].status], [
      "Running",
      true,
      "Completed",
    ]);
    const printed = await taffrail(["verify"], { cwd });
    assertEquals(printed.code, 0);
    assertMatch(printed.stdout, /^note .*unfinished: .*resuming writes it\n✓ 1 run/);
    await Deno.remove(`${run}/flow.json`);
    const resumed = await taffrail(["resume", runId], { cwd });
    assertEquals(resumed.code, 1);
    const remedy = `it has no flow.json: taffrail repair ${runId} makes it again from the journal`;
    assertStringIncludes(resumed.stderr, remedy);
  });
});

Deno.test("what a program records itself is compared as far as it is there", async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    const invoker = { run: () => "Completed" as const };
    const constraints = { max_retries: 0 };
    await using run = await openRun({ root, name: "mine", constraints, invoker });
    await run.submit("a", {});
    assertEquals((await run.finish()).state, "Completed");
    const folder = `${root}/runs/${run.runId}`;
    assertEquals(await verify(cwd), { problems: [], notes: [] });
    // A program may do without flow and outputs, but a bundle was made of a journal.
    await Deno.remove(`${folder}/capture.jsonl`);
    const { problems } = await verify(cwd);
    assertEquals(problems.map(({ part, kind }) => [part, kind]), [["capture", "missing"]]);
    assertEquals((await repair(cwd)).ok, true);
    assertEquals((await taffrail(["replay", run.runId], { cwd })).code, 0);
    // A session that no run engine has ended may be anything: of it no log is made.
    const log = await Deno.readTextFile(`${folder}/events.jsonl`);
    const journal = await Deno.readTextFile(`${folder}/capture.jsonl`);
    await Deno.remove(`${folder}/events.jsonl`);
    await Deno.remove(`${folder}/capture.json`);
    await edit(`${folder}/capture.jsonl`, (text) => text.replace(/.*"ended".*\n/, ""));
    const [problem] = (await verify(cwd)).problems;
    assertEquals([problem!.part, problem!.kind, problem!.repair], ["log", "missing", null]);
    assertMatch(problem!.message, /^it has no log; intact in .*: capture.jsonl$/);
    assertEquals((await repair(cwd)).repairs, []);
    assertEquals(isThere(`${folder}/events.jsonl`), false);
    await Deno.writeTextFile(`${folder}/capture.jsonl`, journal);
    assertEquals((await repair(cwd)).ok, true);
    // A run begins a moment before its first decision.
    const outline = (text: string) => {
      return text.replaceAll(/"id":"\w+",/g, "").replace(/"ts":"[^"]*",/, "")
        .replace(/(pipe.completed.*"duration_ms":)\d+/, "$1");
    };
    assertEquals(outline(await Deno.readTextFile(`${folder}/events.jsonl`)), outline(log));
  });
});

const LOST_FLOWS: { what: string; lose: (path: string) => Promise<void> }[] = [
  { what: "gone", lose: (path) => Deno.remove(path) },
  { what: "garbage", lose: (path) => Deno.writeTextFile(path, "garbage") },
  { what: "changed", lose: (path) => edit(path, (text) => text.replace("cat", "tac")) },
];

for (const { what, lose } of LOST_FLOWS) {
  Deno.test(`the flow of one command that is ${what} is made again from its journal, and resumed`, {
    ignore: !HAS_SIGNALS,
  }, async () => {
    await withMemoryDir(async (cwd) => {
      const runId = await recordAndKill(cwd);
      const path = `${cwd}/.taffrail/runs/${runId}/flow.json`;
      const before = JSON.parse(await Deno.readTextFile(path));
      await lose(path);
      const { problems } = await verify(cwd);
      assertEquals(problems.map(({ part, repair }) => [part, repair !== null]), [["flow", true]]);
      assertEquals((await repair(cwd)).ok, true);
      assertEquals(JSON.parse(await Deno.readTextFile(path)), before);
      assertEquals((await taffrail(["resume", runId], { cwd })).code, 0);
      assertEquals(await verify(cwd), { problems: [], notes: [] });
    });
  });
}

Deno.test("a flow of a later format is not made again", async () => {
  await withMemoryDir(async (cwd) => {
    await taffrail(["exec", "--", "true"], { cwd });
    const path = `${cwd}/.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}/flow.json`;
    await edit(path, (text) => text.replace('"format": 1', '"format": 2'));
    const [problem] = (await verify(cwd)).problems;
    assertEquals([problem!.part, problem!.repair], ["flow", null]);
  });
});

Deno.test("verify tells of each line that was taken out of the log of a run", () =>
  withMemoryDir(async (cwd) => {
    const run = await recordFlow(cwd);
    const text = await Deno.readTextFile(`${run}/events.jsonl`);
    const lines = text.trimEnd().split("\n");
    for (const [index, line] of lines.entries()) {
      const rest = lines.toSpliced(index, 1).map((line) => `${line}\n`).join("");
      await Deno.writeTextFile(`${run}/events.jsonl`, rest);
      const { problems, notes } = await verify(cwd);
      const found = [...problems, ...notes].filter(({ part }) => part === "log");
      assertEquals(found.map(({ kind }) => kind), ["lost-events"], line);
      assertEquals((await repair(cwd)).ok, true);
      assertEquals(await verify(cwd), { problems: [], notes: [] }, line);
    }
    await Deno.writeTextFile(`${run}/events.jsonl`, text);
    assertEquals(await verify(cwd), { problems: [], notes: [] });
  }));
Deno.test("lines that are kept beside a log that was replaced are a note", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withMemoryDir(async (cwd) => {
    const root = `${cwd}/.taffrail`;
    await using log = await openEventLog<{ n: number }>({ root, runId: "a" });
    await log.append({ n: 1 });
    await Deno.writeTextFile(`${cwd}/copy`, "");
    await Deno.rename(`${cwd}/copy`, log.path);
    await assertRejects(() => log.append({ n: 2 }, { durability: "disk" }), Error, "replaced");
    await log.close().catch(() => {});
    const { problems, notes } = await verify(cwd);
    assertEquals(problems, []);
    assertEquals(notes.map(({ part, kind }) => [part, kind]), [["log", "kept-lines"]]);
    assertMatch(notes[0]!.path, /\/events\.jsonl\.lost-1$/);
    assertEquals((await repair(cwd)).ok, true);
  });
});
