/**
 * Nothing is seen before it is on disk: each command that starts, each told line and each printed end
 * lies behind the sync of the capture journal that covers the lines that it depends on, by the order of
 * the system calls.
 */
import { assert, assertEquals } from "@std/assert";
import { parseTrace, type SystemCall } from "../_util/system_calls.ts";
import {
  chain,
  eightAtOnce,
  type TracedFlow,
  traceFlow,
  traceTaffrail,
  traceTest,
} from "./_traced.ts";
import { checkWriteAhead } from "./_write_ahead.ts";

/** The last word of each command line says which node it is. */
const silent = (id: string) => ["sh", "-c", ":", `node:${id}`];
const printing = (id: string) => ["sh", "-c", "echo out; echo err >&2", `node:${id}`];

function nodeOf(commandLine: readonly string[]): string | undefined {
  return /^node:(.*)$/.exec(commandLine.at(-1) ?? "")?.[1];
}

function assertOrder(
  calls: readonly SystemCall[],
  least: { spawned: number; told: number; printed: number },
): void {
  const { tooEarly, seen } = checkWriteAhead(calls, nodeOf);
  assertEquals(tooEarly, []);
  for (const kind of ["spawned", "told", "printed"] as const) {
    assert(seen[kind] >= least[kind], `${seen[kind]} were ${kind}, there must be ${least[kind]}`);
  }
}

/** What a flow of so many attempts lets the world see: begins and ends, and the end of the run. */
function seenOf(attempts: number) {
  return { spawned: attempts, told: 2 * attempts + 1, printed: 2 * attempts + 1 };
}

traceTest("a chain tells nothing before it is on disk", async (cwd) => {
  const { calls } = await traceFlow(chain(12, silent), cwd);
  assertOrder(calls, seenOf(12));
});

traceTest("a chain whose outputs are needed tells nothing before it is on disk", async (cwd) => {
  const { calls } = await traceFlow(chain(12, printing), cwd);
  assertOrder(calls, seenOf(12));
});

traceTest("eight at once tell nothing before it is on disk", async (cwd) => {
  const { calls } = await traceFlow(eightAtOnce(40, printing), cwd);
  assertOrder(calls, seenOf(40));
});

traceTest("what is printed as JSON is on disk before", async (cwd) => {
  const { calls } = await traceFlow(chain(5, silent), cwd, { flags: ["--json"] });
  assertOrder(calls, { spawned: 5, told: 11, printed: 1 });
});

/** A node that fails in its first attempt, and one that fails for good. */
const FAILING: TracedFlow = {
  nodes: {
    flaky: { run: ["sh", "-c", "[ -e tried ] || { touch tried; exit 3; }", "node:flaky"] },
    beside: { run: silent("beside") },
    broken: { run: ["sh", "-c", "[ -e mended ]", "node:broken"], needs: ["flaky"] },
    after: { run: silent("after"), needs: ["broken"] },
  },
  constraints: { max_in_flight: 2, max_retries: 1 },
};

traceTest("failures and retries are told when they are on disk", async (cwd) => {
  const { calls } = await traceFlow(FAILING, cwd, { code: 1 });
  assertOrder(calls, seenOf(5));
});

traceTest("a run that is gone on with tells nothing before it is on disk", async (cwd) => {
  const first = await traceFlow(FAILING, cwd, { code: 1 });
  const runId = /^run_id=(.*)$/m.exec(first.stdout + first.stderr)![1]!;
  await Deno.writeTextFile(`${cwd}/mended`, "");
  const { code, stderr, calls } = await traceTaffrail(["resume", runId], cwd);
  assertEquals(code, 0, stderr);
  assertOrder(calls, seenOf(2));
});

traceTest("exec tells nothing before it is on disk", async (cwd) => {
  const command = ["sh", "-c", ":", "node:sh"];
  const { code, stderr, calls } = await traceTaffrail(["exec", "--", ...command], cwd);
  assertEquals(code, 0, stderr);
  assertOrder(calls, { spawned: 1, told: 3, printed: 1 });
});

/** What a run that keeps the rule does, call by call. */
const KEPT: Record<string, string> = {
  starts: `1 execve("/bin/deno", ["deno"], 0x7f /* 1 var */) = 0`,
  decides: write(5, "/r/runs/a/capture.jsonl", {
    type: "decision",
    decision: "Invoke",
    event_id: "n",
    episode_id: 0,
  }),
  syncs: "1 fdatasync(5</r/runs/a/capture.jsonl>) = 0",
  spawns: `2 execve("/bin/true", ["true", "node:n"], 0x7f /* 1 var */) = 0`,
  begins: write(6, "/r/runs/a/events.jsonl", { type: "node.started", node_id: "n" }),
  completes: write(5, "/r/runs/a/capture.jsonl", { type: "completion", episode_id: 0 }),
  syncsEnd: "1 fdatasync(5</r/runs/a/capture.jsonl>) = 0",
  ends: write(6, "/r/runs/a/events.jsonl", { type: "node.completed", node_id: "n" }),
  prints: `1 write(2<pipe:[7]>, "\\342\\234\\223 n  3ms\\n", 11) = 11`,
};

function write(descriptor: number, path: string, record: unknown): string {
  const text = JSON.stringify(record).replaceAll('"', '\\"');
  return `1 write(${descriptor}<${path}>, "${text}\\n", 999) = 999`;
}

/** The calls in another order. */
function inOrder(...names: (keyof typeof KEPT)[]): SystemCall[] {
  return parseTrace(names.map((name) => KEPT[name]).join("\n"));
}

Deno.test("the check of the order sees each thing that comes too early", () => {
  const names = Object.keys(KEPT);
  const check = (calls: SystemCall[]) => checkWriteAhead(calls, nodeOf);
  assertEquals(check(inOrder(...names)), {
    tooEarly: [],
    seen: { spawned: 1, told: 2, printed: 1 },
  });
  for (
    const [early, sync] of [["spawns", "syncs"], ["begins", "syncs"], ["ends", "syncsEnd"], [
      "prints",
      "syncsEnd",
    ]] as const
  ) {
    const order = names.filter((name) => name !== early);
    order.splice(order.indexOf(sync), 0, early);
    assertEquals(check(inOrder(...order)).tooEarly.length, 1, `${early} before ${sync}`);
    // A sync that had begun before the line was there does not cover it.
    const without = names.filter((name) => name !== sync);
    assert(check(inOrder(...without)).tooEarly.length >= 1, `no ${sync}`);
  }
});
