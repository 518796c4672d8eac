/** `taffrail what-if`: what other limits would have changed about a run, in words and as JSON. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { CONSTRAINT_NAMES } from "../../_internal/constraints.ts";
import { runPaths } from "../../_internal/root_layout.ts";
import { openRun } from "../../run/mod.ts";
import type { RunTermination } from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, HAS_SIGNALS, startTaffrail, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

const ROOT = ".taffrail";

const sh = (text: string, ...needs: string[]) => ({ run: ["sh", "-c", text], needs });

async function runFlow(cwd: string, flow: Record<string, unknown>): Promise<string> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", ...flow }));
  await taffrail(["run", "flow.json"], { cwd });
  return await onlyRun(`${cwd}/${ROOT}`);
}

/** What the verb prints, without times that differ from run to run. */
async function whatIf(cwd: string, ...args: string[]): Promise<{ code: number; lines: string[] }> {
  const { code, stdout, stderr } = await ask(["what-if", ...args], cwd);
  assertEquals(stderr, "");
  const text = stdout.trimEnd().replaceAll(/\b\d+(\.\d+)?(ms|s)\b|\b\d+m \d\ds/g, "T");
  return { code, lines: text.split("\n").map((line) => line.trim().replaceAll(/ +/g, " ")) };
}

interface Attempt {
  node_id: string;
  attempt: number;
  is_changed: boolean;
  recorded: Course | null;
  what_if: Course | null;
}
type Course = { asked_ms: number; begun_ms: number; ended_ms: number; waits: string[] };

async function whatIfJson(cwd: string, ...args: string[]) {
  const { stdout } = await ask(["what-if", "--json", ...args], cwd);
  return JSON.parse(stdout) as {
    took_ms: { recorded: number; what_if: number };
    attempts: Attempt[];
    unknown: unknown[];
  };
}

const FAN = {
  nodes: {
    a: sh("sleep 0.2"),
    b: sh("sleep 0.2"),
    end: sh("true", "a", "b"),
  },
  constraints: { max_in_flight: 1 },
};

Deno.test("taffrail what-if says who would not have waited, and how long the run would have taken", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, FAN);
    assertEquals(await whatIf(cwd, "--max-in-flight", "8", runId), {
      code: 0,
      lines: [
        `${runId} max_in_flight 1 → 8`,
        "b waited T for a free place, would have started at once",
        "it took T, and would have taken T",
      ],
    });
    const { attempts, took_ms: took, unknown } = await whatIfJson(
      cwd,
      "--max-in-flight",
      "8",
      runId,
    );
    assertEquals(unknown, []);
    const [a, b, end] = attempts.map(({ what_if }) => what_if!);
    const length = ({ begun_ms: begun, ended_ms: ended }: Course) => ended - begun;
    for (const { recorded, what_if: other } of attempts) {
      assert(Math.abs(length(recorded!) - length(other!)) <= 1);
    }
    assertEquals([b!.waits, b!.begun_ms], [[], b!.asked_ms]);
    // What needs both comes when both would have ended.
    assert(end!.asked_ms >= Math.max(a!.ended_ms, b!.ended_ms));
    assertEquals(took.what_if, end!.ended_ms);
    assert(took.what_if < took.recorded);
    assertEquals(await whatIf(cwd, "--max-in-flight", "1", runId), {
      code: 0,
      lines: [
        `${runId} the limits that it had`,
        "no decision would have been another",
        "it took T, and would have taken T",
      ],
    });
  }));

Deno.test("taffrail what-if says what would have failed, and what that would have kept from starting", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, {
      nodes: {
        flaky: sh("test $TAFFRAIL_ATTEMPT = 2"),
        next: sh("true", "flaky"),
      },
      constraints: { max_in_flight: 1, max_retries: 1 },
    });
    assertEquals((await whatIf(cwd, "--max-retries=0", runId)).lines, [
      `${runId} max_retries 1 → 0`,
      "flaky failed and was tried again, would have failed for good",
      "flaky, attempt 2 would not have been made",
      "next would not have been started",
      "it took T, and would have taken T",
    ]);
    // As the flow says it, and not as nodes come after each other.
    const { lines } = await whatIf(cwd, "--max-retries", "0", runPaths(ROOT, runId).journal);
    assertEquals(lines.length, 4);
  }));

Deno.test("taffrail what-if makes nothing up about attempts that were never made or never ended", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, {
      nodes: { bad: sh("exit 1"), next: sh("true", "bad") },
      constraints: { max_retries: 0 },
    });
    assertEquals((await whatIf(cwd, "--max-retries", "3", runId)).lines, [
      `${runId} max_retries 0 → 3`,
      "bad failed for good, would have failed and been tried again",
      "what the recording does not tell:",
      "bad, attempt 2 it was never made, so nobody knows how it would have gone",
      "it took T; of what is known, the last would have been over after T",
    ]);
  }));

Deno.test({
  name: "taffrail what-if of a run that was killed, from its journal, and when it was gone on with",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const nodes = {
        a: sh("true"),
        b: sh("test $TAFFRAIL_ATTEMPT = 2 || exec sleep 100"),
        c: sh("true"),
      };
      await Deno.writeTextFile(
        `${cwd}/flow.json`,
        JSON.stringify({ name: "flow", nodes, constraints: { max_in_flight: 1 } }),
      );
      {
        await using running = startTaffrail(["run", "flow.json"], { cwd });
        await running.stdout.find(/▸ b/);
        running.kill("SIGKILL");
        await running.end();
      }
      const runId = await onlyRun(`${cwd}/${ROOT}`);
      assertEquals((await whatIf(cwd, "--max-in-flight", "3", runId)).lines, [
        `${runId} max_in_flight 1 → 3`,
        "b waited T for a free place, would have started at once",
        "c waited for a free place to the end, would have started at once",
        "what the recording does not tell:",
        "b its end is not recorded",
        "c it was never made, so nobody knows how it would have gone",
        "it took T; of what is known, the last would have been over after T",
      ]);
      await taffrail(["resume", runId], { cwd });
      const { lines } = await whatIf(cwd, "--max-in-flight", "1", runId);
      assertEquals(lines.slice(1), [
        "no decision would have been another",
        "it took T, and would have taken T",
      ]);
      const { attempts } = await whatIfJson(cwd, "--max-in-flight", "3", runId);
      assertEquals(attempts.map(({ node_id, attempt }) => `${node_id} ${attempt}`), [
        "a 1",
        "b 1",
        "c 1",
        "b 2",
        "c 1",
      ]);
    }),
});

Deno.test("taffrail what-if of a run of a program, which says nothing of needs", () =>
  withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    const run = await openRun({
      root,
      name: "demo",
      constraints: { max_in_flight: 1, max_retries: 0 },
      invoker: {
        run: async (): Promise<RunTermination> => {
          await new Promise((resolve) => setTimeout(resolve, 150));
          return "Completed";
        },
      },
    });
    await run.submit("a");
    await run.submit("b");
    await run.finish();
    const { code, lines } = await whatIf(cwd, "--max-in-flight", "none", "demo");
    assertEquals([code, lines], [0, [
      `${run.runId} max_in_flight 1 → none`,
      "b waited T for a free place, would have started at once",
      "it took T, and would have taken T",
    ]]);
  }));

Deno.test("taffrail what-if has an option for each limit, and refuses what is none", () =>
  withTempDir(async (cwd) => {
    const runId = await runFlow(cwd, { nodes: { a: sh("true") } });
    const help = (await ask(["what-if", "--help"], cwd)).stdout;
    for (const name of CONSTRAINT_NAMES) {
      assertMatch(help, new RegExp(`--${name.replaceAll("_", "-")} (N|DURATION)`));
    }
    const refused: [string[], string][] = [
      [[runId], "Say which limit is to be another: --max-in-flight, --max-per-window"],
      [[runId, "--max-in-flight", "many"], 'Cannot use --max-in-flight "many"'],
      [[runId, "--max-retries", "none"], 'Cannot use --max-retries "none"'],
      [[runId, "--deadline", "9"], 'Cannot use --deadline "9": it is no duration'],
      [[runId, "--rate-window", "1s"], "only one of max_per_window and rate_window"],
      [["--max-in-flight", "1"], "taffrail what-if needs a run or capture file"],
    ];
    for (const [args, problem] of refused) {
      const { code, stderr } = await ask(["what-if", ...args], cwd);
      assertEquals(code, 2, stderr);
      assertStringIncludes(stderr, problem);
    }
    for (const option of ["--max-per-window=1", "--rate-window=1s"]) {
      const other = option.startsWith("--max") ? "--rate-window=2s" : "--max-per-window=3";
      assertEquals((await whatIf(cwd, option, other, runId)).code, 0);
    }
    assertEquals((await ask(["what-if", "--max-in-flight=1", "nobody"], cwd)).code, 1);
  }));

Deno.test("taffrail what-if does about a failure what the flow says", () =>
  withTempDir(async (cwd) => {
    /** The members of the flow and of its flaky node, and which nodes would have begun without a retry. */
    const cases: [flow: object, flaky: object, begun: string[]][] = [
      [{}, {}, ["flaky", "tidy"]],
      [{ on_failure: "cancel" }, {}, ["flaky", "tidy"]],
      [{ on_failure: "keep_going" }, {}, ["after", "flaky", "slow", "tidy"]],
      [{}, { allow_failure: true }, ["after", "flaky", "next", "slow", "tidy"]],
    ];
    for (const [index, [flow, flaky, expected]] of cases.entries()) {
      const name = `flow-${index}`;
      const nodes = {
        flaky: { ...sh("test $TAFFRAIL_ATTEMPT = 2"), ...flaky },
        slow: sh("true"),
        after: sh("true", "slow"),
        next: sh("true", "flaky"),
        tidy: { ...sh("true", "flaky"), when: "always" },
      };
      const constraints = { max_in_flight: 1, max_retries: 1 };
      const text = JSON.stringify({ name, nodes, constraints, ...flow });
      await Deno.writeTextFile(`${cwd}/flow.json`, text);
      await taffrail(["run", "flow.json"], { cwd });
      const { attempts } = await whatIfJson(cwd, "--max-retries", "0", name);
      const begun = attempts.flatMap(({ node_id: node, what_if: other }) =>
        other?.begun_ms == null ? [] : [node]
      );
      assertEquals(begun.toSorted(), expected, text);
    }
  }));
