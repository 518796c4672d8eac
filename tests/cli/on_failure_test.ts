/**
 * What a failure does, by real processes: a representative part of the tables that `flow_progress_test.ts`
 * has whole. Nodes write down that they ran; what has to run for long waits until it is ended.
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { saying } from "./_at_point.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { eventsOf, onlyRun } from "./_runs.ts";

type Node = Record<string, unknown> & { run?: string };

interface Row {
  what: string;
  /** What the flow says besides its nodes. */
  flow?: Record<string, unknown>;
  args?: string[];
  nodes: Record<string, Node>;
  code: number;
  /** What ran, in any order. */
  ran: string[];
  /** How the run ended; `pipe.completed` when left out. */
  reason?: string;
  skipped?: Record<string, string>;
}

const FAILS = "exit 3";
/** Until it is ended; it says when it has begun. */
const HANGS = ": > hangs; exec sleep 1000";
const FAILS_BESIDE = "until test -e hangs; do sleep 0.01; done; exit 3";
/** Until another one has run, which is not begun before this has. */
const AFTER_BAD = "until test -e failed; do sleep 0.01; done";
const FAILS_ALOUD = ": > failed; exit 3";
const TWO = { constraints: { max_in_flight: 2 } };
const ONE = { constraints: { max_in_flight: 1 } };

const NODES_OF_HANDLERS: Record<string, Node> = {
  test: { run: FAILS },
  pack: { run: "true", needs: ["test"] },
  upload: { run: "true", needs: ["test"], when: "failure" },
  tidy: { run: "true", needs: ["pack"], when: "always" },
  cheer: { run: "true", needs: ["upload"], when: "failure" },
};

const ROWS: Row[] = [
  {
    what: "stop starts handlers, and nothing else",
    flow: ONE,
    nodes: { ...NODES_OF_HANDLERS, other: { run: "true" } },
    code: 1,
    ran: ["test1", "tidy1", "upload1"],
    reason: "node test failed: crash",
    skipped: {
      pack: "needs test, which failed",
      cheer: "when failure, and nothing that it needs has failed",
    },
  },
  {
    what: "stop waits for what runs, and withdraws a retry that waits",
    flow: TWO,
    nodes: {
      slow: { run: AFTER_BAD, needs: [] },
      again: { run: FAILS, retry: { max: 1, delay: "1h" } },
      // It gets its place when the retry waits.
      bad: { run: FAILS_ALOUD },
      handler: { run: "true", needs: ["slow"], when: "always" },
      next: { run: "true", needs: ["slow"] },
    },
    code: 1,
    ran: ["again1", "bad1", "handler1", "slow1"],
    reason: "node bad failed: crash",
  },
  {
    what: "keep_going runs all that does not need what failed",
    flow: { on_failure: "keep_going", ...ONE },
    nodes: {
      ...NODES_OF_HANDLERS,
      other: { run: "true" },
      after: { run: "true", needs: ["other"] },
    },
    code: 1,
    ran: ["after1", "other1", "test1", "tidy1", "upload1"],
    reason: "node test failed: crash",
    skipped: {
      pack: "needs test, which failed",
      cheer: "when failure, and nothing that it needs has failed",
    },
  },
  {
    what: "-k does so too",
    flow: ONE,
    args: ["-k"],
    nodes: { bad: { run: FAILS }, other: { run: "true" }, worse: { run: FAILS } },
    code: 1,
    ran: ["bad1", "other1", "worse1"],
    reason: "node bad failed: crash",
  },
  {
    what: "cancel ends what runs, and then starts handlers",
    flow: { on_failure: "cancel", ...TWO },
    nodes: {
      hangs: { run: HANGS },
      bad: { run: FAILS_BESIDE },
      next: { run: "true", needs: ["hangs"] },
      upload: { run: "true", needs: ["bad"], when: "failure" },
      tidy: { run: "true", needs: ["next"], when: "always" },
    },
    code: 1,
    ran: ["bad1", "hangs1", "tidy1", "upload1"],
    reason: "node bad failed: crash",
    skipped: { next: "needs hangs, which was cancelled" },
  },
  {
    what: "a failure that is allowed triggers nothing, after its retries",
    nodes: {
      lint: { run: FAILS, allow_failure: true, retry: { max: 1 } },
      test: { run: "true", needs: ["lint"] },
      upload: { run: "true", needs: ["lint"], when: "failure" },
      all: { needs: ["lint", "test", "upload"] },
      pack: { run: "true", needs: ["all"] },
    },
    code: 0,
    ran: ["lint1", "lint2", "pack1", "test1"],
    skipped: { upload: "when failure, and nothing that it needs has failed" },
  },
  {
    what: "an aggregate is as bad as what it needs",
    flow: { on_failure: "keep_going" },
    nodes: {
      bad: { run: FAILS },
      good: { run: "true" },
      all: { needs: ["bad", "good"] },
      deploy: { run: "true", needs: ["all"] },
      tell: { run: "true", needs: ["all"], when: "failure" },
    },
    code: 1,
    ran: ["bad1", "good1", "tell1"],
    reason: "node bad failed: crash",
    skipped: { all: "needs bad, which failed", deploy: "needs all, which was skipped" },
  },
  {
    what: "a handler mends nothing, and a failed one is no reason",
    nodes: {
      bad: { run: FAILS },
      handler: { run: FAILS, needs: ["bad"], when: "failure" },
      last: { run: "true", needs: ["handler"], when: "failure" },
    },
    code: 1,
    ran: ["bad1", "handler1", "last1"],
    reason: "node bad failed: crash",
  },
  {
    what: "an exit code in not_on is not tried again",
    flow: { on_failure: "keep_going" },
    nodes: {
      usage: { run: "exit 2", retry: { max: 3, not_on: [2, 64] } },
      other: { run: "exit 1", retry: { max: 1, delay: "10ms", factor: 2, not_on: [2] } },
    },
    code: 1,
    ran: ["other1", "other2", "usage1"],
    reason: "node usage failed: crash",
  },
  {
    what: "the deadline of the run ends all as a signal does",
    flow: { deadline: "2s", on_failure: "keep_going" },
    nodes: {
      hangs: { run: HANGS },
      next: { run: "true", needs: ["hangs"] },
      tidy: { run: "true", needs: ["hangs"], when: "always" },
    },
    code: 1,
    ran: ["hangs1"],
    reason: "deadline",
  },
  {
    what: "a signal starts no handlers",
    nodes: {
      hangs: { run: "kill -TERM $PPID; exec sleep 1000" },
      tidy: { run: "true", needs: ["hangs"], when: "always" },
      upload: { run: "true", needs: ["hangs"], when: "failure" },
    },
    code: 143,
    ran: ["hangs1"],
    reason: "cancelled by SIGTERM",
  },
];

for (const row of ROWS) {
  Deno.test({
    name: `on failure: ${row.what}`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        const nodes = Object.entries(row.nodes).map(([id, { run, ...node }]) => {
          return [id, { ...node, ...(run !== undefined && { run: saying(run) }) }];
        });
        const flow = { name: "flow", ...row.flow, nodes: Object.fromEntries(nodes) };
        await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
        const { code, stdout, stderr } = await taffrail(["run", ...row.args ?? [], "flow.json"], {
          cwd,
        });
        assertEquals(code, row.code, stdout + stderr);
        const ran = (await Deno.readTextFile(`${cwd}/ran`)).trim().split("\n").sort();
        assertEquals(ran, row.ran);
        const root = `${cwd}/.taffrail`;
        const runId = await onlyRun(root);
        const end = eventsOf(root, runId).at(-1)!;
        const { reason } = row;
        assertEquals(end.type, reason === undefined ? "pipe.completed" : "pipe.aborted");
        assertEquals([end.reason, Reflect.get(end, "skipped")], [reason, row.skipped]);
        for (const [id, why] of Object.entries(row.skipped ?? {})) {
          assertStringIncludes(stdout, `skipped: ${why}`);
          const shown = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
          const node = shown.nodes.find((node: { id: string }) => node.id === id);
          assertEquals([node.status, node.skipped], ["Pending", why]);
        }
        const isTold = stdout.includes(`go on   taffrail resume ${runId}`);
        assertEquals(isTold, reason !== undefined);
        for (const verb of ["verify", "replay"]) {
          const checked = await taffrail([verb, runId], { cwd });
          assertEquals(checked.code, 0, `${verb}: ${checked.stdout}${checked.stderr}`);
        }
      }),
  });
}
