/** Going on from whatever a death leaves: a prefix of the journal, and of the log no more than that told. */
import { assert, assertEquals } from "@std/assert";
import type { TaffrailCaptureBundle } from "../../../capture/mod.ts";
import { verifyRun } from "../../../eventlog/mod.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import type { AttemptEnd } from "../../../run/types.ts";
import { FaultPort } from "../../_util/fault_port.ts";
import { Random } from "../../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../../_util/temp.ts";
import { checkCapture, endsInCapture, endsInLog, logOf, type Place } from "../_records.ts";
import {
  beginEngine,
  type EngineChoices,
  type GatedRun,
  goOnEngine,
  holdAgain,
  killEngine,
  withGatedRun,
} from "./_gated_run.ts";

/** A run in two sittings: its journal and its log, each line by line. */
interface Recorded {
  journal: string[];
  log: { line: string; /** How many lines the journal had when it was told. */ behind: number }[];
}

const CONSTRAINTS = { max_in_flight: 2, max_retries: 1 };

/** Records a run of which the first sitting ends in this way, and the second is given up. */
async function record(random: Random, way: "killed" | "given up"): Promise<Recorded> {
  const recorded: Recorded = { journal: [], log: [] };
  await withGatedRun(async (held, place) => {
    const choices: EngineChoices = {
      constraints: CONSTRAINTS,
      invoke: async ({ signal }, { nodeId }) => {
        if (nodeId === "hangs") return await untilAborted(signal);
        for (let turns = random.below(3); turns > 0; turns--) {
          await new Promise((resolve) => setTimeout(resolve));
        }
        const isDone = random.chance(0.6);
        return isDone
          ? { termination: "Completed", end: { exit_code: 0 } }
          : { termination: { Failed: "RuntimeError" }, end: { exit_code: 1 } };
      },
    };
    const engine = beginEngine(held, choices);
    for (const id of ["a", "b", "c"]) await engine.ask(id, "{}");
    await engine.session.supervisor.idle();
    await engine.withdrawDeferred();
    if (way === "killed") {
      await engine.ask("hangs", "{}");
      while (!held.steps.includes("events node.started hangs 1")) {
        await new Promise((resolve) => setTimeout(resolve));
      }
      await killEngine(engine, held);
    } else {
      await engine.end({ reason: "enough" });
      await held[Symbol.asyncDispose]();
    }
    const again = await holdAgain(place);
    const { engine: next } = await goOnEngine(again, place, choices);
    for (const id of ["c", "d"]) await next.ask(id, "{}");
    await next.session.supervisor.idle();
    await next.withdrawDeferred();
    await next.end({ reason: "enough" });
    await again[Symbol.asyncDispose]();
    const paths = runPaths(place.root, place.runId);
    recorded.journal = linesOf(paths.journal);
    const log = linesOf(paths.events);
    let behind = 0;
    for (const step of [...stepsOf(held), ...stepsOf(again)]) {
      if (step.startsWith("capture")) behind++;
      else recorded.log.push({ line: log[recorded.log.length]!, behind });
    }
    assertEquals([recorded.journal.length, recorded.log.length], [behind, log.length]);
  });
  return recorded;
}

function untilAborted(signal: AbortSignal): Promise<AttemptEnd> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve({ termination: "Aborted", end: {} }));
  });
}

function stepsOf({ steps }: GatedRun): string[] {
  return steps.filter((step) => step.startsWith("capture") || step.startsWith("events"));
}

function linesOf(path: string): string[] {
  return Deno.readTextFileSync(path).split("\n").slice(0, -1);
}

/** Goes on from prefixes of both files, asks for nothing, and looks at what there is then. */
async function goOnFrom(journal: readonly string[], log: readonly string[]): Promise<void> {
  await withMemoryDir(async (root) => {
    const place = { root, runId: JSON.parse(log[0] ?? "{}").run_id ?? "demo-1" };
    const paths = runPaths(root, place.runId);
    await Deno.mkdir(paths.directory, { recursive: true });
    await Deno.writeTextFile(paths.journal, journal.map((line) => `${line}\n`).join(""));
    await Deno.writeTextFile(paths.events, log.map((line) => `${line}\n`).join(""));
    await goOnOnce(place);
    assertEquals(linesOf(paths.events).slice(0, log.length), log);
    await checkAgree(place);
    const told = logOf(place).length;
    await goOnOnce(place);
    // Nothing of what was there is told again.
    assertEquals(logOf(place).slice(told).map(({ type }) => type), [
      "pipe.started",
      "pipe.aborted",
    ]);
    await checkAgree(place);
  });
}

async function goOnOnce(place: Place): Promise<void> {
  await using held = await holdAgain(place);
  const { engine } = await goOnEngine(held, place, {
    constraints: CONSTRAINTS,
    invoke: () => Promise.reject(new Error("nothing was asked for")),
  });
  await engine.end({ reason: "enough" });
}

/** The log has each sitting and each attempt of the journal once, with its end, and is in order. */
async function checkAgree(place: Place): Promise<void> {
  const events = logOf(place);
  const sittings = linesOf(runPaths(place.root, place.runId).journal)
    .filter((line) => ["session", "resumed"].includes(JSON.parse(line).type));
  const begins = events.filter(({ type }) => type === "pipe.started");
  assertEquals(begins.map(({ resumed }) => resumed), [
    undefined,
    ...sittings.slice(1).map(() => true),
  ]);
  assertEquals((await verifyRun(place.root, place.runId)).problems, []);
  const captured = endsInCapture(await checkCapture(place));
  assertEquals(endsInLog(events), captured);
  for (const type of ["node.started", "ended"]) {
    const keys = events.filter((event) => type === "ended" ? isEnd(event) : event.type === type)
      .map(({ node_id: id, attempt }) => `${id}#${attempt}`);
    assertEquals(keys.toSorted(), [...captured.keys()].toSorted(), type);
  }
}

function isEnd({ type }: { type: string }): boolean {
  return type === "node.completed" || type === "node.failed";
}

Deno.test("the log is told what it lacks when what the dead process has appended is on disk", () =>
  withGatedRun(async (held, place) => {
    const choices: EngineChoices = {
      invoke: () => Promise.resolve({ termination: "Completed", end: {} }),
    };
    const engine = beginEngine(held, choices);
    held.failing = { stream: "events", error: new Error("killed") };
    await engine.ask("a", "{}");
    await engine.session.supervisor.idle();
    await killEngine(engine, held);
    const port = new FaultPort();
    await using again = await openRootOnPort(port, place.root).hold(place.runId);
    const from = port.calls.length;
    const { engine: next } = await goOnEngine(again, place, choices);
    await next.end({ reason: "enough" });
    const { journal, events } = runPaths(place.root, place.runId);
    const calls = port.calls.slice(from);
    const synced = calls.findIndex(({ name, path }) => /^sync/.test(name) && path === journal);
    const told = calls.findIndex(({ name, path }) => name === "writeSync" && path === events);
    assert(synced !== -1 && synced < told, `synced at ${synced}, told at ${told}`);
    assertEquals([...endsInLog(logOf(place))], [["a#1", "completed"]]);
  }));

Deno.test("going on tells each sitting, also of those that were killed before anything happened", async () => {
  for (let idle = 0; idle < 3; idle++) {
    await withGatedRun(async (held, place) => {
      const invoke = () => Promise.reject(new Error("nothing was asked for"));
      const choices = { constraints: CONSTRAINTS, invoke };
      await killEngine(beginEngine(held, choices), held);
      for (let sitting = 0; sitting < idle; sitting++) {
        const again = await holdAgain(place);
        const { engine } = await goOnEngine(again, place, choices);
        await killEngine(engine, again);
      }
      await Deno.truncate(runPaths(place.root, place.runId).events);
      await goOnOnce(place);
      await checkAgree(place);
    });
  }
});

for (const way of ["killed", "given up"] as const) {
  Deno.test(`from every prefix of a journal and of its log going on brings the log to what the journal says, each event once; first ${way} (property)`, async () => {
    const random = new Random(seed());
    for (let round = 0; round < longCount(1, 20); round++) {
      const { journal, log } = await record(random, way);
      for (let lines = 1; lines <= journal.length; lines++) {
        for (let told = 0; told <= log.length; told++) {
          if (told > 0 && log[told - 1]!.behind > lines) break;
          const texts = log.slice(0, told).map(({ line }) => line);
          await goOnFrom(journal.slice(0, lines), texts).catch((cause) => {
            throw new Error(`with ${lines} lines and ${told} events`, { cause });
          });
        }
      }
    }
  });
}

Deno.test("a node is tried as its ask says, and anew when it is asked for again after a kill", () =>
  withGatedRun(async (held, place) => {
    const begun: number[] = [];
    const choices: EngineChoices = {
      constraints: { max_in_flight: 2, max_retries: 0 },
      invoke: async ({ signal }, { attempt }) => {
        begun.push(attempt);
        if (attempt === 2) return await untilAborted(signal);
        return { termination: { Failed: "RuntimeError" }, end: { exit_code: 1 } };
      },
    };
    const retry = { max_retries: 2 };
    const engine = beginEngine(held, choices);
    await engine.ask("a", "{}", { retry });
    while (!held.steps.includes("events node.started a 2")) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    await killEngine(engine, held);
    await using again = await holdAgain(place);
    const { engine: next } = await goOnEngine(again, place, choices);
    await next.ask("a", "{}", { retry });
    await next.ask("b", "{}");
    await next.session.supervisor.idle();
    const { inputs, decisions } = await next.end({ reason: "enough" }) as TaffrailCaptureBundle;
    assertEquals(begun, [1, 2, 3, 1, 4, 5]);
    assertEquals(inputs.flatMap((input) => input.type === "event" ? [input.retry] : []), [
      retry,
      retry,
      undefined,
    ]);
    const ends = decisions.filter(({ decision }) => decision === "Finish");
    assertEquals(ends.map(({ event_id, reason }) => `${event_id} ${reason}`), [
      "a not_retryable",
      "b retries_exhausted",
      "a#2 retries_exhausted",
    ]);
    await checkCapture(place);
  }));
