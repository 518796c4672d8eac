/**
 * What becomes of a node when its run is gone on with, by its state and by what has ended the run: the rows
 * of the table in `docs/durability.md`, each reached by real processes.
 */
import { assertEquals } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { type Outcome, outcomeOf, type Point, saying, taffrailUntil } from "./_at_point.ts";

/** A node: what it does, and what it needs. */
type Node = string | { run: string; needs?: string[] } & Record<string, unknown>;

interface Row {
  /** The state of the nodes, and what has ended the run. */
  what: string;
  nodes: Record<string, Node>;
  onFailure?: string;
  constraints?: Record<string, unknown>;
  /** Where the run ends; it ends by itself when left out. */
  point?: Point;
  /** How the first process ends: its exit code, 137 when it is killed. */
  code: number;
  /** What the run comes to when it is gone on with. */
  outcome: Outcome;
}

/** Only in the first attempt. */
const once = (script: string) => `test $TAFFRAIL_ATTEMPT -gt 1 || { ${script}; }`;
/** The first attempt fails. */
const FAILS_ONCE = once("exit 3");
/** The first attempt has its supervisor killed, and hangs. */
const KILLS = once("kill -KILL $PPID; exec sleep 1000");
/** The first attempt has the run ended as Ctrl-C, `stop` and a hang-up do, and hangs. */
const signals = (name: string) => once(`kill -${name} $PPID; exec sleep 1000`);

/** The process is killed at a line of its journal. */
function killed(how: "before" | "behind", line: string, nth = 1): Point {
  return { file: "capture.jsonl", at: { line }, nth, how };
}

/** A handler of a, and what ends the run behind it. */
const handled = (end: string): Record<string, Node> => ({
  a: FAILS_ONCE,
  tidy: { run: "true", needs: ["a"], when: "always" },
  upload: { run: "true", needs: ["a"], when: "failure" },
  end: { run: end, needs: ["upload"], when: "always" },
});

/** What comes of it: the need is asked again, and so what has handled its failure is forgotten. */
const handledOutcome = (end: string[], ends: string[]): Outcome => ({
  asks: ["a", "tidy", "upload", "end", "a#2", "tidy#2", ...ends],
  attempts: {
    a: ["1 crash", "2 Completed"],
    tidy: ["1 Completed", "2 Completed"],
    upload: ["1 Completed"],
    end,
  },
  ran: ["a1", "tidy1", "upload1", "end1", "a2", "tidy2", "end2"],
});

/** A failure that is allowed, and what ends the run behind it. */
const allowed = (end: string): Record<string, Node> => ({
  lint: { run: "exit 3", allow_failure: true },
  end: { run: end, needs: ["lint"] },
});

const allowedOutcome = (first: string): Outcome => ({
  asks: ["lint", "end", "end#2"],
  attempts: { lint: ["1 crash"], end: [first, "2 Completed"] },
  ran: ["lint1", "end1", "end2"],
});

/** A retry that waits for an hour, and what ends the run beside it. */
const waiting = (end: string): Record<string, Node> => ({
  w: { run: FAILS_ONCE, retry: { max: 1, delay: "1h" } },
  end:
    `until grep -q '"reason":"backoff"' .taffrail/runs/*/capture.jsonl; do sleep 0.01; done; ${end}`,
});

const waitingOutcome = (first: string): Outcome => ({
  asks: ["w", "end", "w#2", "end#2"],
  attempts: { w: ["1 crash", "2 Completed"], end: [first, "2 Completed"] },
  ran: ["end1", "end2", "w1", "w2"],
});

/** How a run ends that a node ends: what that node does, the exit code, and how its attempt is shown. */
const ENDINGS = [
  { how: "killed", end: KILLS, code: 137, first: "1 cancelled" },
  { how: "ended by SIGTERM", end: signals("TERM"), code: 143, first: "1 cancelled" },
  { how: "a node failed", end: FAILS_ONCE, code: 1, first: "1 crash" },
];

/** Nothing more fits into the journal, from this line on. */
function full(line: string, nth = 1): Point {
  return { file: "capture.jsonl", at: { line }, nth, how: "full" };
}

const EVENT = '"type":"event"';
const DECISION = '"type":"decision"';
const INVOKE = '"decision":"Invoke"';
const COMPLETION = '"type":"completion"';
const ENDED = '"type":"ended"';
const FINISH = '"decision":"Finish"';
const AB = { a: "true", b: "true" };
const DONE = ["1 Completed"];

const ROWS: Row[] = [
  {
    what: "completed, killed",
    nodes: { a: "true", b: KILLS },
    code: 137,
    outcome: {
      asks: ["a", "b", "b#2"],
      attempts: { a: DONE, b: ["1 cancelled", "2 Completed"] },
      ran: ["a1", "b1", "b2"],
    },
  },
  {
    what: "completed, its end told nowhere but in the journal",
    nodes: AB,
    point: killed("before", INVOKE, 2),
    code: 137,
    outcome: { asks: ["a", "b", "b#2"], attempts: { a: DONE, b: DONE }, ran: ["a1", "b1"] },
  },
  ...(["INT", "TERM", "HUP"] as const).map((name) => ({
    what: `completed and begun, ended by SIG${name}`,
    nodes: { a: "true", b: signals(name), c: "true" },
    code: { INT: 130, TERM: 143, HUP: 129 }[name],
    outcome: {
      asks: ["a", "b", "c", "b#2", "c#2"],
      attempts: { a: DONE, b: ["1 cancelled", "2 Completed"], c: DONE },
      ran: ["a1", "b1", "b2", "c1"],
    },
  })),
  {
    what: "failed for good, and what waited and what was not asked for yet, a node failed",
    nodes: { a: FAILS_ONCE, b: "true", c: { run: "true", needs: ["b"] } },
    code: 1,
    outcome: {
      asks: ["a", "b", "a#2", "b#2", "c"],
      attempts: { a: ["1 crash", "2 Completed"], b: DONE, c: DONE },
      ran: ["a1", "a2", "b1", "c1"],
    },
  },
  {
    what: "failed for good, killed before the end of the run",
    nodes: { a: FAILS_ONCE, b: "true" },
    point: killed("behind", FINISH),
    code: 137,
    outcome: {
      asks: ["a", "b", "a#2", "b#2"],
      attempts: { a: ["1 crash", "2 Completed"], b: DONE },
      ran: ["a1", "a2", "b1"],
    },
  },
  ...([
    killed("before", ENDED),
    killed("behind", ENDED),
    { file: "capture.json", at: "replace", how: "behind" },
    { file: "events.jsonl", at: { line: '"pipe.aborted"' }, how: "behind" },
  ] as const).map((point) => ({
    what: `failed for good, killed at the end: ${point.how} the last of ${point.file}`,
    nodes: { a: FAILS_ONCE },
    point,
    code: 137,
    outcome: { asks: ["a", "a#2"], attempts: { a: ["1 crash", "2 Completed"] }, ran: ["a1", "a2"] },
  })),
  {
    what: "failed for good, with retries, which count anew",
    nodes: { a: "test $TAFFRAIL_ATTEMPT -gt 3" },
    constraints: { max_retries: 1 },
    code: 1,
    outcome: {
      asks: ["a", "a#2"],
      attempts: { a: ["1 crash", "2 crash", "3 crash", "4 Completed"] },
      ran: ["a1", "a2", "a3", "a4"],
    },
  },
  {
    what: "an end is recorded and not decided on, killed",
    nodes: AB,
    point: killed("behind", COMPLETION),
    code: 137,
    outcome: { asks: ["a", "b", "b#2"], attempts: { a: DONE, b: DONE }, ran: ["a1", "b1"] },
  },
  {
    what: "a failure is recorded and not decided on, killed",
    nodes: { a: FAILS_ONCE, b: "true" },
    constraints: { max_retries: 1 },
    point: killed("behind", COMPLETION),
    code: 137,
    outcome: {
      asks: ["a", "b", "a#2", "b#2"],
      attempts: { a: ["1 crash", "2 Completed"], b: DONE },
      ran: ["a1", "a2", "b1"],
    },
  },
  {
    what: "decided and perhaps begun, killed",
    nodes: AB,
    point: killed("behind", INVOKE),
    code: 137,
    outcome: {
      asks: ["a", "a#2", "b"],
      attempts: { a: ["1 cancelled", "2 Completed"], b: DONE },
      ran: ["a2", "b1"],
    },
  },
  {
    what: "decided and perhaps begun, the records failed",
    nodes: AB,
    point: full(EVENT, 2),
    code: 1,
    outcome: {
      asks: ["a", "a#2", "b"],
      attempts: { a: ["1 cancelled", "2 Completed"], b: DONE },
      ran: ["a2", "b1"],
    },
  },
  {
    what: "begun, a node failed, so that it was waited for",
    nodes: { a: "until test -e failed; do sleep 0.01; done", b: `${once(": > failed; exit 3")}` },
    constraints: { max_in_flight: 2 },
    code: 1,
    outcome: {
      asks: ["a", "b", "b#2"],
      attempts: { a: DONE, b: ["1 crash", "2 Completed"] },
      ran: ["a1", "b1", "b2"],
    },
  },
  {
    what: "begun, the records failed at its end",
    nodes: AB,
    point: full(COMPLETION),
    code: 1,
    outcome: {
      asks: ["a", "b", "a#2", "b#2"],
      attempts: { a: ["1 cancelled", "2 Completed"], b: DONE },
      ran: ["a1", "a2", "b1"],
    },
  },
  {
    what: "an end that only the log lacks, the log failed",
    nodes: { a: "true" },
    point: { file: "events.jsonl", at: { line: '"node.completed"' }, how: "full" },
    code: 1,
    outcome: { asks: ["a"], attempts: { a: DONE }, ran: ["a1"] },
  },
  {
    what: "an event without a decision, killed",
    nodes: AB,
    point: killed("before", DECISION),
    code: 137,
    outcome: { asks: ["a", "a#2", "b"], attempts: { a: DONE, b: DONE }, ran: ["a1", "b1"] },
  },
  {
    what: "asked for behind another event without a decision, killed",
    nodes: AB,
    point: killed("before", DECISION, 2),
    code: 137,
    outcome: {
      asks: ["a", "b", "a#2", "b#2"],
      attempts: { a: ["1 cancelled", "2 Completed"], b: DONE },
      ran: ["a2", "b1"],
    },
  },
  ...ENDINGS.map(({ how, end, code, first }) => ({
    what: `handlers completed as a need was bad, ${how}`,
    nodes: handled(end),
    code,
    outcome: handledOutcome([first, "2 Completed"], ["end#2"]),
  })),
  ...ENDINGS.map(({ how, end, code, first }) => ({
    what: `failed as it may, ${how}`,
    nodes: allowed(end),
    code,
    outcome: allowedOutcome(first),
  })),
  {
    what: "failed as it may, which is recorded and not decided on, killed",
    nodes: allowed("true"),
    point: killed("behind", COMPLETION),
    code: 137,
    outcome: {
      asks: ["lint", "end"],
      attempts: { lint: ["1 crash"], end: DONE },
      ran: ["lint1", "end1"],
    },
  },
  ...ENDINGS.map(({ how, end, code, first }) => ({
    what: `waits for a retry, ${how}`,
    nodes: waiting(end),
    constraints: { max_in_flight: 2 },
    code,
    outcome: waitingOutcome(first),
  })),
  {
    what: "begun and blocked, a node failed, which cancels",
    onFailure: "cancel",
    nodes: {
      a: once(": > begun; exec sleep 1000"),
      b: once("until test -e begun; do sleep 0.01; done; exit 3"),
      c: { run: "true", needs: ["a"] },
    },
    constraints: { max_in_flight: 2 },
    code: 1,
    outcome: {
      asks: ["a", "b", "a#2", "b#2", "c"],
      attempts: { a: ["1 cancelled", "2 Completed"], b: ["1 crash", "2 Completed"], c: DONE },
      ran: ["a1", "a2", "b1", "b2", "c1"],
    },
  },
  {
    what: "nothing asked for, killed behind the session's line",
    nodes: AB,
    point: killed("behind", '"type":"session"'),
    code: 137,
    outcome: { asks: ["a", "b"], attempts: { a: DONE, b: DONE }, ran: ["a1", "b1"] },
  },
];

async function writeFlow(cwd: string, row: Row): Promise<void> {
  const { nodes, constraints, onFailure = "stop" } = row;
  const all = Object.entries(nodes).map(([id, node]) => {
    const { run, ...rest } = typeof node === "string" ? { run: node } : node;
    return [id, { run: saying(run), ...rest }];
  });
  const flow = {
    name: "flow",
    on_failure: onFailure,
    nodes: Object.fromEntries(all),
    // What is asked for when does not depend on the machine.
    constraints: { max_in_flight: 1, ...constraints },
  };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
}

for (const row of ROWS) {
  Deno.test({
    name: `resume: ${row.what}`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        await writeFlow(cwd, row);
        const { code, stderr } = await taffrailUntil(row.point, ["run", "flow.json"], cwd);
        assertEquals(code, row.code, stderr);
        const resumed = await taffrail(["resume", "flow"], { cwd });
        assertEquals(resumed.code, 0, resumed.stderr);
        const outcome = await outcomeOf(cwd);
        // Of two at a time nobody knows which says first that it runs.
        if (row.constraints?.max_in_flight === 2) outcome.ran.sort();
        assertEquals(outcome, row.outcome);
      }),
  });
}
