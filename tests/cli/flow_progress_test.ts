/**
 * What a failure does, as the tables of semantics have it: the whole product of `on_failure`, `when`,
 * `allow_failure`, how a need ended, where a node stands when the first one fails, and a signal.
 */
import { assertEquals } from "@std/assert";
import { FlowProgress } from "../../cli/engine/flow_progress.ts";
import type { FlowNode } from "../../cli/flow/flow.ts";
import type { Decided } from "../../run/engine/types.ts";

type When = FlowNode["when"];
type OnFailure = "stop" | "keep_going" | "cancel";

const WHENS: When[] = ["success", "failure", "always"];
const POLICIES: OnFailure[] = ["stop", "keep_going", "cancel"];

function node(id: string, own: Partial<FlowNode> = {}): FlowNode {
  const rest = { needs: [], env: {}, cwd: "/", labels: [], when: "success", allowFailure: false };
  return { id, run: ["true"], ...rest, ...own } as FlowNode;
}

/** What is said of a decision where nothing is. */
const NOTHING = {
  reason: "admitted",
  at: 0,
  dueAt: null,
  termination: null,
  begun: false,
  errorKind: undefined,
} as const;

/** Does with a flow what its runner does, and keeps what was begun. */
class Driver {
  readonly progress: FlowProgress;
  readonly begun: string[] = [];
  readonly running = new Set<string>();
  readonly waiting = new Set<string>();

  constructor(nodes: FlowNode[], onFailure: OnFailure = "stop") {
    this.progress = new FlowProgress(nodes, { onFailure });
  }

  decide(nodeId: string, decided: Partial<Decided>): void {
    this.progress.take({ nodeId, decision: "Finish", ...NOTHING, ...decided });
    this.#settle();
  }

  /** Asks for what may start, but for what is left to be asked for. */
  ask(except: string[] = []): this {
    const { progress } = this;
    for (let node = progress.takeReady(); node !== undefined; node = progress.takeReady()) {
      if (except.includes(node.id)) this.defer(node.id);
      else this.begin(node.id);
    }
    return this;
  }

  begin(id: string): void {
    this.waiting.delete(id);
    this.progress.take({ nodeId: id, decision: "Invoke", ...NOTHING });
    if (!this.progress.mayBegin(id)) return this.abort(id, false);
    this.begun.push(id);
    this.running.add(id);
  }

  defer(id: string): void {
    this.waiting.add(id);
    this.decide(id, { decision: "Defer", reason: "saturated" });
  }

  /** An attempt fails, and is tried again later. */
  retry(id: string): void {
    this.running.delete(id);
    this.waiting.add(id);
    const termination = { Failed: "RuntimeError" } as const;
    this.decide(id, { decision: "Defer", reason: "backoff", termination, begun: true });
  }

  complete(id: string): this {
    this.running.delete(id);
    this.decide(id, { termination: "Completed", begun: true });
    return this;
  }

  fail(id: string): this {
    this.running.delete(id);
    const termination = { Failed: "RuntimeError" } as const;
    this.decide(id, { reason: "retries_exhausted", termination, begun: true, errorKind: "crash" });
    return this;
  }

  abort(id: string, begun = true): void {
    this.running.delete(id);
    this.decide(id, { termination: "Aborted", begun, errorKind: "cancelled" });
  }

  /** As a signal, `stop` and the deadline of the run do. */
  signal(): this {
    this.progress.end();
    for (const id of [...this.waiting]) this.#withdraw(id);
    for (const id of [...this.running]) this.abort(id);
    return this;
  }

  #withdraw(id: string): void {
    this.waiting.delete(id);
    this.decide(id, { decision: "Skip", reason: "withdrawn" });
  }

  #settle(): void {
    const { progress } = this;
    if (!progress.mustTakeOut) return;
    const toEnd = progress.mustCancel ? [...this.running] : [];
    progress.hasTakenOut();
    for (const id of [...this.waiting]) if (!progress.mayBegin(id)) this.#withdraw(id);
    for (const id of toEnd) this.abort(id);
  }
}

Deno.test("FlowProgress: what a node does by its when, allow_failure and how its need ended", () => {
  type NeedEnd = [end: string, need: Partial<FlowNode>, go: (driver: Driver) => unknown];
  const oks: NeedEnd[] = [
    ["completed", {}, (driver) => driver.complete("need")],
    ["failed, and may", { allowFailure: true }, (driver) => driver.fail("need")],
    ["skipped", { when: "failure", needs: ["first"] }, () => {}],
    ["of ok nodes", { run: [], needs: ["first"] }, () => {}],
  ];
  const bads: NeedEnd[] = [
    ["failed", {}, (driver) => driver.fail("need")],
    ["blocked", { needs: ["bad"] }, () => {}],
    ["blocked", { run: [], needs: ["bad"] }, () => {}],
  ];
  /** What becomes of the node, by its `when`: with a need that is ok, and with a bad one. */
  const table: Record<When, [ok: string, bad: string]> = {
    success: ["start", "blocked"],
    failure: ["skipped", "start"],
    always: ["start", "start"],
  };
  for (const when of WHENS) {
    for (const allowFailure of [false, true]) {
      for (const [isBad, ends] of [[false, oks], [true, bads]] as const) {
        for (const [end, need, go] of ends) {
          const nodes = [
            node("first"),
            node("bad"),
            node("need", need),
            node("x", { needs: ["need"], when, allowFailure }),
          ];
          const driver = new Driver(nodes, "keep_going").ask();
          driver.complete("first").fail("bad").ask();
          go(driver);
          driver.ask();
          const what = `${when}, ${allowFailure}, need ${end}`;
          assertEquals(driver.progress.outcomeOf("need"), end, what);
          const expected = table[when][isBad ? 1 : 0];
          const became = driver.begun.includes("x") ? "start" : driver.progress.outcomeOf("x");
          assertEquals(became, expected, what);
          if (expected !== "start") continue;
          // Its own failure counts, unless it may fail: a handler mends nothing.
          driver.fail("x");
          assertEquals(driver.progress.outcomeOf("x"), allowFailure ? "failed, and may" : "failed");
        }
      }
    }
  }
});

/** Where a node stands when the first one fails, or a signal comes. */
const PLACES = [
  "running",
  "waits for a retry",
  "deferred",
  "decided, not begun",
  "unlooked",
] as const;
type Place = typeof PLACES[number];

/** What becomes of it: it goes on, is ended, is not begun, or is asked for (again). */
type Fate = "goes on" | "ended" | "not begun" | "asked";

/** The table of semantics, row by row: `success`, then handlers, which start in spite of the failure. */
const FATES: Record<OnFailure | "signal", Record<Place, [success: Fate, handler: Fate]>> = {
  "stop": {
    "running": ["goes on", "goes on"],
    "waits for a retry": ["not begun", "goes on"],
    "deferred": ["not begun", "goes on"],
    "decided, not begun": ["not begun", "goes on"],
    "unlooked": ["not begun", "asked"],
  },
  "keep_going": {
    "running": ["goes on", "goes on"],
    "waits for a retry": ["goes on", "goes on"],
    "deferred": ["goes on", "goes on"],
    "decided, not begun": ["goes on", "goes on"],
    "unlooked": ["asked", "asked"],
  },
  "cancel": {
    "running": ["ended", "ended"],
    "waits for a retry": ["not begun", "asked"],
    "deferred": ["not begun", "asked"],
    "decided, not begun": ["not begun", "asked"],
    "unlooked": ["not begun", "asked"],
  },
  "signal": {
    "running": ["ended", "ended"],
    "waits for a retry": ["not begun", "not begun"],
    "deferred": ["not begun", "not begun"],
    "decided, not begun": ["not begun", "not begun"],
    "unlooked": ["not begun", "not begun"],
  },
};

/** Brings `x` to its place, has the first node fail or a signal come, and says what became of it. */
function fateOf(
  { place, cause, onFailure, x }: {
    place: Place;
    cause: "failure" | "signal";
    onFailure: OnFailure;
    x: Partial<FlowNode>;
  },
): { fate: Fate; driver: Driver } {
  // A slow one runs all along, so that something has to be waited for.
  const needs = place === "unlooked" ? ["slow"] : [];
  const nodes = [node("slow"), node("bad"), node("x", { ...x, needs })];
  const driver = new Driver(nodes, onFailure);
  const { progress } = driver;
  driver.ask(place === "deferred" || place === "decided, not begun" ? ["x"] : []);
  if (place === "waits for a retry") driver.retry("x");
  if (place === "decided, not begun") driver.waiting.delete("x");
  const before = driver.begun.length;
  if (cause === "signal") driver.signal();
  else driver.fail("bad");
  if (place === "decided, not begun") driver.begin("x");
  const goesOn = driver.running.has("x") || driver.waiting.has("x");
  if (driver.running.has("slow")) driver.complete("slow");
  driver.ask();
  if (progress.outcomeOf("x") === "cancelled") return { fate: "ended", driver };
  if (goesOn) return { fate: "goes on", driver };
  return { fate: driver.begun.slice(before).includes("x") ? "asked" : "not begun", driver };
}

for (const cause of [...POLICIES, "signal"] as const) {
  Deno.test(`FlowProgress: what becomes of a node after ${cause}, wherever it stands`, () => {
    for (const place of PLACES) {
      for (const when of ["success", "always"] as const) {
        for (const allowFailure of [false, true]) {
          // A signal ends what any policy lets go on.
          for (const onFailure of cause === "signal" ? POLICIES : [cause]) {
            const how = cause === "signal" ? cause : "failure";
            const x = { when, allowFailure };
            const { fate, driver } = fateOf({ place, cause: how, onFailure, x });
            const expected = FATES[cause][place][when === "success" ? 0 : 1];
            const what = `${place}, ${when}, ${allowFailure}, ${onFailure}`;
            assertEquals(fate, expected, what);
            if (cause !== "signal") continue;
            const ending = driver.progress.ending("cancelled by SIGINT");
            assertEquals(ending, { reason: "cancelled by SIGINT", skipped: {} }, what);
          }
        }
      }
    }
  });
}

Deno.test("FlowProgress: handlers wait until all has ended that was cut off, and are not cut off themselves", () => {
  const nodes = [
    node("slow"),
    node("bad"),
    node("tidy", { needs: ["bad"], when: "failure" }),
    node("report", { needs: ["bad"], when: "always" }),
    node("after", { needs: ["tidy"] }),
  ];
  const driver = new Driver(nodes, "cancel").ask();
  const { progress } = driver;
  // What runs is asked to end, and takes its time.
  driver.running.delete("slow");
  driver.fail("bad").ask();
  assertEquals([progress.mustCancel, driver.begun], [true, ["slow", "bad"]]);
  driver.abort("slow");
  driver.ask();
  assertEquals([progress.mustCancel, driver.begun.slice(2)], [false, ["tidy", "report"]]);
  // The second failure cuts nothing off.
  driver.fail("report").ask();
  assertEquals(driver.running, new Set(["tidy"]));
  driver.complete("tidy").ask();
  assertEquals(progress.outcomeOf("after"), "not started");
  assertEquals(progress.ending(undefined), {
    reason: "node bad failed: crash",
    failed: "bad",
    skipped: {},
  });
});

Deno.test("FlowProgress: a run completes when nothing is bad and nothing open, and says what was skipped", () => {
  const nodes = [
    node("lint", { allowFailure: true }),
    node("test"),
    node("on failure", { needs: ["lint", "test"], when: "failure" }),
    node("all", { run: [], needs: ["test", "on failure"] }),
    node("pack", { needs: ["all"] }),
  ];
  const driver = new Driver(nodes).ask();
  driver.fail("lint").complete("test").ask().complete("pack");
  assertEquals(driver.progress.ending(undefined), {
    reason: undefined,
    skipped: { "on failure": "when failure, and nothing that it needs has failed" },
  });
});

Deno.test("FlowProgress: the first bad node in time is the reason, and what is blocked is told with its need", () => {
  const nodes = [
    node("a"),
    node("b"),
    node("c", { needs: ["a"] }),
    node("all", { run: [], needs: ["b", "c"] }),
    node("d", { needs: ["all"] }),
    node("mend", { needs: ["b"], when: "failure" }),
  ];
  const driver = new Driver(nodes, "keep_going").ask();
  driver.fail("b").ask().fail("a").ask().complete("mend").ask();
  assertEquals(driver.progress.isDone, true);
  assertEquals(driver.progress.ending("cancelled by SIGTERM"), {
    reason: "node b failed: crash",
    failed: "b",
    skipped: {
      c: "needs a, which failed",
      all: "needs b, which failed",
      d: "needs all, which was skipped",
    },
  });
});

Deno.test("FlowProgress: what has ended before stands, and what it left out is no completed run", () => {
  const nodes = [node("a"), node("b", { allowFailure: true }), node("c", { needs: ["a", "b"] })];
  const past = { completed: ["a"], allowed: ["b"] };
  const whole = new FlowProgress(nodes, { onFailure: "stop" });
  whole.restore(past);
  assertEquals([whole.takeReady()?.id, whole.takeReady()], ["c", undefined]);
  const part = new FlowProgress(nodes, { onFailure: "stop", isWanted: (id) => id !== "c" });
  part.restore(past);
  assertEquals(part.takeReady(), undefined);
  assertEquals(part.ending(undefined), { reason: "nodes were left out", skipped: {} });
});

Deno.test("FlowProgress: a long chain is blocked in one go, and the end of the run stays short", () => {
  const nodes = Array.from({ length: 100_000 }, (_, index) => {
    return node(`n${index}`, { needs: index === 0 ? [] : [`n${index - 1}`] });
  });
  const driver = new Driver(nodes).ask();
  driver.fail("n0").ask();
  assertEquals(driver.progress.isDone, true);
  const { skipped = {} } = driver.progress.ending(undefined);
  assertEquals(skipped.n1, "needs n0, which failed");
  assertEquals(JSON.stringify(skipped).length < 48 * 1024, true);
});
