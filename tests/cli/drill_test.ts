/** What a drill finds of flows, by real processes that are really killed; and that nothing of it is left. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, write } from "../_util/files.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type Ended, HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { HAS_SCRIPT, startInTerminal } from "./_terminal.ts";

interface Place {
  /** The folder of the flow. */
  cwd: string;
  /** Where a drill makes its folders, and removes them. */
  scratch: string;
  drill(...args: string[]): Promise<Ended>;
}

/** Runs `use` with a folder of flows; nothing may be left of the drills in it. */
async function withFlows(
  flows: Record<string, unknown>,
  use: (place: Place) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const [cwd, scratch] = [`${directory}/flows`, `${directory}/scratch`];
    await Deno.mkdir(cwd);
    await Deno.mkdir(scratch);
    for (const [name, flow] of Object.entries(flows)) {
      write(`${cwd}/${name}.json`, JSON.stringify({ name, ...flow as object }));
    }
    const drill = (...args: string[]) => {
      return taffrail(["drill", ...args], { cwd, env: { TMPDIR: scratch } });
    };
    await use({ cwd, scratch, drill });
    assertEquals(namesIn(scratch), []);
  });
}

/** What `--json` prints, its last line. */
function reportOf({ stdout }: Ended) {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
}

interface Found {
  node_id: string;
  attempt: number;
  point: string;
  kills: string;
  cut_off: string[];
  what: string;
  message: string;
}

const SAFE = {
  nodes: {
    make: { sh: "echo made > made.tmp; mv made.tmp made; cat made" },
    use: { needs: ["make"], sh: 'cat "$TAFFRAIL_OUTPUT_MAKE" made > used.tmp; mv used.tmp used' },
  },
};

/** One who appends what it does, however often it does it. */
const CHARGE = {
  nodes: {
    list: { sh: "echo listed" },
    charge: { needs: ["list"], sh: "echo charged >> ledger" },
  },
};

Deno.test({
  name: "a flow that replaces whole files survives every cut",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({ safe: SAFE }, async ({ cwd, drill }) => {
      const ended = await drill("safe.json", "--effects", "made", "--effects", "used");
      assertEquals(ended.code, 0, ended.stdout + ended.stderr);
      assertEquals(ended.stdout, "✓ safe.json survives each of 12 cuts\n");
      // All was done in copies, and nothing is recorded here.
      assertEquals(namesIn(cwd), ["safe.json"]);
    }),
});

Deno.test({
  name: "a node that appends to a file is named, with each cut that it does not survive",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({ charge: CHARGE }, async ({ drill }) => {
      const ended = await drill("charge.json", "--effects", "ledger", "--json");
      assertEquals(ended.code, 1, ended.stderr);
      const { ok, points, tried, findings, effects, problem, seed } = reportOf(ended);
      assertEquals({ ok, points, tried, effects, problem, seed }, {
        ok: false,
        points: 12,
        tried: 12,
        effects: ["ledger"],
        problem: null,
        seed: null,
      });
      const over = findings.find(({ node_id: id, point }: Found) => {
        return id === "charge" && point === "ended";
      });
      assertEquals(over, {
        node_id: "charge",
        attempt: 1,
        point: "ended",
        kills: "program",
        cut_off: ["charge"],
        what: "effect",
        message: "ledger has 2 lines instead of 1",
      });
      // Wherever it was cut off: it is this node that runs again, and no other.
      for (const { cut_off: nodes, what } of findings as Found[]) {
        assertEquals({ nodes, what }, { nodes: ["charge"], what: "effect" });
      }
      const safe = ["decided", "told"];
      const named = (findings as Found[]).filter(({ node_id: id }) => id === "charge");
      assertEquals(named.filter(({ point }) => safe.includes(point)), []);

      const told = await drill("charge.json", "--effects", "ledger");
      assertStringIncludes(
        told.stdout,
        "✗ attempt 1 of charge, cut off when its work was over: ledger has 2 lines instead of 1\n",
      );
      assertStringIncludes(told.stdout, "make charge idempotent");
      assert(/✗ charge\.json does not survive \d+ cuts of 12: charge\n$/.test(told.stdout));
    }),
});

Deno.test({
  name: "retries, gates, handlers and what may fail are no differences",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({
      all: {
        nodes: {
          flaky: {
            sh: "if test -e tried; then echo tried; else touch tried; exit 1; fi",
            retry: { max: 3 },
          },
          soft: { sh: "exit 3", allow_failure: true },
          ask: { gate: "Go on?", needs: ["flaky"] },
          work: { needs: ["ask", "soft"], sh: "echo w > w.tmp; mv w.tmp w; date +%s%N" },
          rescue: { needs: ["work"], when: "failure", sh: "echo r >> rescued" },
          last: { needs: ["work"], when: "always", sh: "echo l > last.tmp; mv last.tmp last" },
        },
      },
    }, async ({ drill }) => {
      const effects = ["w", "rescued", "last"].flatMap((path) => ["--effects", path]);
      const count = longCount(10, 30);
      const sample = ["--sample", String(count), "--seed", String(seed() % 1e9)];
      const passes = ["--pass", "ask=1", "--pass", "nobody"];
      const ended = await drill("all.json", ...effects, ...passes, ...sample, "--json");
      const { ok, points, tried, findings, not_reached: notReached, notes } = reportOf(ended);
      assertEquals(findings, []);
      assertEquals({ ok, code: ended.code, points, tried, notReached }, {
        ok: true,
        code: 0,
        points: 30,
        tried: count,
        notReached: [],
      });
      // What is never the same twice is not compared.
      assert(notes.some((note: string) => /two undisturbed runs differ in it: work/.test(note)));
      assert(notes.includes("it does not wait at the gate nobody"));
    }),
});

Deno.test({
  name: "a sample is drawn by its seed, and no further cut is tried when the time is over",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({ safe: SAFE }, async ({ drill }) => {
      const sampled = await drill("safe.json", "--sample", "2", "--json");
      const { seed, tried, points } = reportOf(sampled);
      assertEquals({ tried, points }, { tried: 2, points: 12 });
      const again = await drill("safe.json", "--sample", "2", "--seed", String(seed));
      assertEquals(again.code, 0);
      assertStringIncludes(again.stdout, `note: 2 of 12 drawn by --seed ${seed}\n`);
      assertStringIncludes(again.stdout, "note: it saw no effects but outputs");
      const none = await drill("safe.json", "--time", "0s");
      assertEquals(none.code, 0);
      assertStringIncludes(none.stdout, "note: 12 of 12 were not tried for lack of time\n");
    }),
});

Deno.test({
  name: "drilled here, the files of --effects are put back before each run and at the end",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({ charge: CHARGE }, async ({ cwd, drill }) => {
      write(`${cwd}/ledger`, "before\n");
      const args = ["charge.json", "--here", "--effects", "ledger", "--json"];
      const ended = await drill(...args, "--sample", "12");
      const messages = new Set(reportOf(ended).findings.map(({ message }: Found) => message));
      assertEquals([...messages], ["ledger has 3 lines instead of 2"]);
      assertEquals(await Deno.readTextFile(`${cwd}/ledger`), "before\n");
      assertEquals(namesIn(cwd), ["charge.json", "ledger"]);
    }),
});

Deno.test({
  name: "what cannot be drilled is told, with exit code 1, or 2 where it was called wrongly",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withFlows({
      fails: { nodes: { a: { sh: "exit 4" } } },
      safe: SAFE,
      gated: { nodes: { ask: { gate: "Go on?" } } },
    }, async ({ cwd, drill }) => {
      write(`${cwd}/broken.json`, "{");
      const cases: [args: string[], code: number, text: string][] = [
        [["fails.json"], 1, "fails.json cannot be drilled: undisturbed it aborted: node a failed"],
        [["broken.json"], 1, "broken.json cannot be drilled: no run was begun (exit code 2: "],
        [["gone.json"], 2, "gone.json: it does not exist"],
        [["gated.json"], 2, 'it waits at the gate "ask"; say --pass ask'],
        [["safe.json", "--pass", "ask={"], 2, "Cannot use --pass ask={: { is no JSON"],
        [["safe.json", "--effects", "../x"], 2, 'Cannot use --effects "../x"'],
        [["safe.json", "--effects", "."], 2, 'Cannot use --effects "."'],
        [["safe.json", "--sample", "0"], 2, "nothing would be tried"],
        [["safe.json", "--root", "r"], 2, "Cannot use --root with drill"],
        [["safe.json", "--dir", "gone"], 2, 'Cannot use --dir "gone": it is no directory'],
        [["--", "no-such-program"], 2, '"no-such-program"'],
        [["--", "true"], 1, "true cannot be drilled: it has told of no run"],
        [[], 2, "taffrail drill needs a flow file"],
      ];
      for (const [args, code, text] of cases) {
        const ended = await drill(...args);
        assertStringIncludes(ended.stdout + ended.stderr, text);
        assertEquals(ended.code, code, `${args}: ${ended.stderr}`);
      }
    }),
});

Deno.test({
  name: "Ctrl-C ends all that a drill has started, and removes all that it has made",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (directory) => {
      const [cwd, scratch] = [`${directory}/flows`, `${directory}/scratch`];
      await Deno.mkdir(cwd);
      await Deno.mkdir(scratch);
      // It hangs when it is gone on with, beside one in a session of its own.
      const hang =
        `trap "" INT TERM; setsid sh -c 'echo $$ >> ${directory}/pids; exec sleep 1000' & ` +
        `echo $$ >> ${directory}/pids; echo hangs >> ${directory}/log; wait`;
      const sh = `if test "$TAFFRAIL_ATTEMPT" = 1; then exit 0; fi; ${hang}`;
      write(`${cwd}/hang.json`, JSON.stringify({ name: "hang", nodes: { a: { sh } } }));
      await using watcher = startTaffrail(["drill", "hang.json"], {
        cwd,
        env: { TMPDIR: scratch },
      });
      const pids = () => {
        try {
          return Deno.readTextFileSync(`${directory}/pids`).split("\n").slice(0, -1).map(Number);
        } catch {
          return [];
        }
      };
      while (pids().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
      watcher.kill("SIGINT");
      const { code, stdout, stderr } = await watcher.end();
      assertEquals({ code, stdout }, { code: 130, stdout: "" }, stderr);
      assertStringIncludes(stderr, "SIGINT: the drill of hang.json was not finished");
      assertEquals(namesIn(scratch), []);
      for (const pid of pids()) {
        const cmdline = await Deno.readTextFile(`/proc/${pid}/cmdline`).catch(() => "");
        assertEquals(cmdline, "", `process ${pid} is left`);
      }
    }),
});

Deno.test({
  name: "on a terminal a drill says at which cut it is",
  ignore: !HAS_SCRIPT,
  fn: () =>
    withFlows({ one: { nodes: { a: { sh: "true" } } } }, async ({ cwd, scratch }) => {
      const env = { TMPDIR: scratch };
      await using shown = startInTerminal(["drill", "one.json"], { cwd, env, columns: 100 });
      const { code, stdout } = await shown.end();
      assertEquals(code, 0, stdout);
      for (
        const status of [
          "drilling running one.json undisturbed",
          "drilling 1/6 attempt 1 of a, cut off before its work began",
          "drilling 3/6 attempt 1 of a, its command killed when its work had begun",
        ]
      ) assertStringIncludes(stdout, status);
      assertStringIncludes(stdout, "✓ one.json survives each of 6 cuts");
    }),
});
