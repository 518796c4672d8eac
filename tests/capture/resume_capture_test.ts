import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  assertReplays,
  type CaptureBundle,
  CaptureJournalError,
  openCaptureJournal,
  recoverCapture,
  resumeCapture,
  type ResumeCaptureOptions,
  type ResumedCapture,
} from "../../capture/mod.ts";
import { openJournalOnPort } from "../../capture/session/journal.ts";
import {
  type CompletionInput,
  ManualTimers,
  MemoryDecisionLog,
  type RunRequest,
  type RunTermination,
  type Supervisor,
  systemTimers,
} from "../../supervisor/mod.ts";
import { everyCut } from "../_util/every_cut.ts";
import type { FaultPort } from "../_util/fault_port.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { randomConcurrentSession, randomSerialSession } from "./_random_session.ts";
import { at, createSupervisor, event, EXPECTED, newSession, RUNTIME } from "./_util.ts";

/** A session whose process died is taken up again: the whole replays, and nothing is made twice. */

type Options = ResumeCaptureOptions<Supervisor>;

/** A session that goes on, and what it had done anew. */
interface Resumed extends ResumedCapture<Supervisor> {
  log: MemoryDecisionLog;
  invoked: string[];
}

/** Resumes what lies at a path, with the rules that stand in it. */
async function resume(journalPath: string, options: Partial<Options> = {}): Promise<Resumed> {
  const log = new MemoryDecisionLog();
  const invoked: string[] = [];
  const { run } = options.invoker ?? { run: () => "Completed" as const };
  const resumed = await resumeCapture({
    ...await rulesOf(journalPath),
    decisionLog: log,
    createSupervisor,
    runtimeProvenance: RUNTIME,
    timers: new ManualTimers(),
    journalPath,
    ...options,
    invoker: {
      run: (request) => {
        invoked.push(keyOf(request.episodeId, request.attempt));
        return run(request);
      },
    },
  });
  return { ...resumed, log, invoked };
}

async function rulesOf(journalPath: string) {
  const [line = "{}"] = (await Deno.readTextFile(journalPath)).split("\n");
  const { graph_id, mode, config, max_deferred, backoff } = JSON.parse(line);
  return { graphId: graph_id, mode, constraints: config, maxDeferred: max_deferred, backoff };
}

function keyOf(episodeId: number, attempt: number): string {
  return `${episodeId} ${attempt}`;
}

/** The attempts whose ends a journal has, whether they were decided on or not. */
async function endedIn(path: string): Promise<Set<string>> {
  const lines = (await Deno.readTextFile(path)).split("\n").slice(0, -1);
  const completions = lines.map((line) => JSON.parse(line)).filter(({ type }) =>
    type === "completion"
  );
  return new Set(
    completions.map(({ episode_id, attempt }: CompletionInput) => keyOf(episode_id, attempt)),
  );
}

/** All that must hold of a session that was resumed and is over now. */
async function checkWhole(path: string, { session, recovered, log }: Resumed): Promise<void> {
  const bundle = session.intoBundle();
  const whole = await recoverCapture(path);
  assertEquals([whole.damage, whole.session, whole.undecided], [null, 1, []]);
  assertEquals(whole.interrupted, []);
  assertEquals(whole.bundle, bundle);
  await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
  const before = recovered.bundle.decisions;
  assertEquals(
    bundle.decisions.slice(0, before.length).map(({ event_id, effects }) => [event_id, effects]),
    before.map(({ event_id, effects }) => [event_id, effects]),
  );
  assertEquals(log.entries.length, bundle.decisions.length - before.length);
}

/** A session of each mode with retries, deferrals, Pumps and effects, and attempts left in flight. */
async function writeSample(path: string, mode: "serial" | "concurrent"): Promise<void> {
  const hang = new Promise<RunTermination>(() => {});
  const ends: Record<string, (RunTermination | Promise<RunTermination>)[]> = {
    e1: [{ Failed: "NetworkTimeout" }, "Completed"],
    e2: [mode === "serial" ? "TimedOut" : hang, { Failed: "SemanticError" }],
    e3: ["Completed"],
  };
  const session = newSession({
    mode,
    constraints: { max_in_flight: 2, max_retries: 2, max_per_window: 2, rate_window: at(10) },
    journal: openCaptureJournal(path),
    timers: new ManualTimers(),
    invoker: { run: ({ eventId, attempt }) => ends[eventId]?.[attempt - 1] ?? hang },
  });
  await session.onEvent(event("e1", 0, { payload: '{"x":1}' }));
  const writes = [{ key: "x", value: { Number: 906.7979265841685 } }];
  await session.setEffects(0, [{ kind: "set_context", writes }]);
  await session.onEvent(event("e2", 1));
  await session.onEvent(event("e3", 2));
  await session.onEvent(event("e4", 3));
  await session.onEvent(event("p1", 10, { kind: "Pump" }));
  // In serial mode it never ends: this is where the process dies.
  void session.onEvent(event("p2", 25, { kind: "Pump" })).catch(() => {});
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** Pumps until nothing is left, and asks again for what ended as Aborted. */
async function finish({ session, timers }: Resumed): Promise<void> {
  const aborted = session.supervisor.clock;
  await session.onEvent(event("again", aborted.secs + 1));
  for (let pump = 0; pump < 20; pump++) {
    const secs = timers!.now().secs + session.supervisor.clock.secs + 11;
    if ((await session.supervisor.idle()).deferred === 0) break;
    await session.onEvent(event(`late-${pump}`, secs, { kind: "Pump" }));
  }
  await session.close();
}

for (const mode of ["serial", "concurrent"] as const) {
  Deno.test(`a ${mode} session goes on from wherever it was killed`, async () => {
    await withTempDir(async (directory) => {
      const path = `${directory}/capture.jsonl`;
      await writeSample(path, mode);
      const bytes = await Deno.readFile(path);
      const ends = Array.from(bytes.entries()).filter(([, byte]) => byte === 10)
        .map(([index]) => index + 1);
      const between = ends.flatMap((end, index) => {
        const next = ends[index + 1] ?? end;
        return [end, end + 1, end + 30, next - 1].filter((cut) => cut < next || cut === end);
      });
      assert(ends.length > 15);
      for (const cut of new Set(between)) {
        await Deno.writeFile(path, bytes.subarray(0, cut));
        const resumed = await resume(path);
        await finish(resumed);
        const ended = await endedIn(path);
        await Deno.writeFile(`${path}.cut`, bytes.subarray(0, ends.findLast((end) => end <= cut)));
        for (const key of await endedIn(`${path}.cut`)) {
          assert(!resumed.invoked.includes(key), `attempt ${key} was made again (cut at ${cut})`);
        }
        for (const { episode_id, attempt } of resumed.recovered.interrupted) {
          assert(!resumed.invoked.includes(keyOf(episode_id, attempt)));
          assert(ended.has(keyOf(episode_id, attempt)));
        }
        assertEquals(new Set(resumed.invoked).size, resumed.invoked.length);
        await checkWhole(path, resumed);
      }
    });
  });
}

/** Cuts a journal behind its first line, resumes it, goes on a bit; returns false when nothing came. */
async function resumeOnce(path: string, random: Random, round: number): Promise<void> {
  const bytes = await Deno.readFile(path);
  const first = bytes.indexOf(10) + 1;
  const cut = first + random.below(bytes.length - first + 1);
  await Deno.writeFile(path, bytes.subarray(0, cut));
  const text = new TextDecoder().decode(bytes.subarray(0, cut));
  await Deno.writeTextFile(`${path}.cut`, text.slice(0, text.lastIndexOf("\n") + 1));
  const before = await endedIn(`${path}.cut`);
  const resumed = await resume(path, {
    invoker: { run: () => random.pick<RunTermination>(["Completed", { Failed: "RuntimeError" }]) },
  });
  const { session } = resumed;
  for (let index = 0; index < random.below(8); index++) {
    const kind = random.pick(["Command", "Pump"] as const);
    const secs = session.supervisor.clock.secs + random.below(5);
    await session.onEvent(event(`r${round}-${index}`, secs, { kind }));
    await session.setEffects(session.decisionCount - 1, []);
  }
  await session.close();
  for (const key of before) assert(!resumed.invoked.includes(key), `${key} was made again`);
  await checkWhole(path, resumed);
}

Deno.test("random sessions, killed and resumed again and again, replay as one", async () => {
  for (let index = 0; index < longCount(30, 2000); index++) {
    const random = new Random(mixSeeds(seed(), index));
    await withTempDir(async (directory) => {
      const path = `${directory}/capture.jsonl`;
      const journal = openCaptureJournal(path);
      const write = random.chance(0.5) ? randomSerialSession : randomConcurrentSession;
      await write(random, { journal });
      try {
        for (let round = 0; round < 3; round++) await resumeOnce(path, random, round);
      } catch (cause) {
        throw new Error(`Session ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
      }
    });
  }
});

/** Two attempts in flight and one end that was recorded and not decided on. */
async function writeConcurrent(path: string): Promise<void> {
  const session = newSession({
    mode: "concurrent",
    constraints: { max_retries: 1, deadline: at(5) },
    journal: openCaptureJournal(path),
    timers: new ManualTimers(at(100)),
    invoker: { run: () => new Promise(() => {}) },
  });
  for (const id of ["a", "b"]) await session.onEvent(event(id, 100));
}

Deno.test("onRecovered comes before anything new, and what it throws changes nothing", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const before = await Deno.readTextFile(path);
    const refusal = new Error("not yet");
    let seen: CaptureBundle | undefined;
    await assertRejects(
      () =>
        resume(path, {
          onRecovered: async ({ bundle, interrupted }) => {
            seen = bundle;
            assertEquals(interrupted.map(({ event_id }) => event_id), ["a", "b"]);
            assertEquals(await Deno.readTextFile(path), before);
            throw refusal;
          },
        }),
      Error,
      "not yet",
    );
    assertEquals(seen?.decisions.length, 2);
    assertEquals(await Deno.readTextFile(path), before);
  });
});

Deno.test("a session goes on with its time, though the clock was set back", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const clock = new ManualTimers(at(10));
    const hang = new Promise<never>(() => {});
    const resumed = await resume(path, { timers: clock, invoker: { run: () => hang } });
    const { session, timers } = resumed;
    assertEquals(timers!.now(), at(100));
    const { inputs } = (await recoverCapture(path)).bundle as { inputs: unknown[] } & CaptureBundle;
    assertEquals(
      inputs.slice(2),
      [0, 1].map((episode) => ({
        type: "completion",
        episode_id: episode,
        attempt: 1,
        termination: "Aborted",
        at: at(100),
      })),
    );
    clock.advance(at(2));
    await session.onEvent(event("a#2", timers!.now().secs));
    // The deadline of an attempt counts from when it begins, on a clock that goes on evenly.
    clock.advance(at(5));
    clock.advance(at(5));
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    const ends = resumed.log.entries.map(({ event_id, attemptTermination }) => [
      event_id,
      attemptTermination,
    ]);
    assertEquals(ends, [["a", "Aborted"], ["b", "Aborted"], ["a#2", null], ["a#2", "TimedOut"]]);
  });
});

Deno.test("a last line that a power cut blanked stays, and does not count", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const lines = (await Deno.readTextFile(path)).split(/(?<=\n)/);
    const blanked = "\0".repeat(lines[4]!.length - 1) + "\n";
    await Deno.writeTextFile(path, [...lines.slice(0, 4), blanked].join(""));
    const resumed = await resume(path);
    assertEquals(resumed.recovered.damage?.line, 5);
    await resumed.session.close();
    assertEquals(resumed.invoked, ["1 1"]);
    await checkWhole(path, resumed);
    const text = await Deno.readTextFile(path);
    assertEquals(text.split("\n")[4], "\0".repeat(lines[4]!.length - 1));
    const resumedLine = JSON.parse(text.split("\n")[5]!);
    assertEquals([resumedLine.line, resumedLine.type, resumedLine.lines], [6, "resumed", 4]);
  });
});

Deno.test("a session that was begun with one limit of the rate alone goes on without it", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    const session = newSession({ journal: openCaptureJournal(path) });
    for (const id of ["e1", "e2"]) await session.onEvent(event(id));
    await session.close();
    const rules = await rulesOf(path);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace('"max_per_window":null', '"max_per_window":1'));
    const resumed = await resume(path, rules);
    await resumed.session.onEvent(event("e3"));
    await resumed.session.close();
    assertEquals(resumed.log.entries.map(({ decision }) => decision), ["Invoke"]);
    await checkWhole(path, resumed);
  });
});

Deno.test("what cannot be gone on with is refused, and stays as it is", async () => {
  const cases: [
    CaptureJournalError["kind"],
    string,
    (lines: string[]) => string[],
    Partial<Options>,
  ][] = [
    ["damaged", "line 2", (lines) => lines.with(1, "{}\n"), {}],
    ["damaged", "line 3", (lines) => withSynced(lines.toSpliced(2, 1), 3), {}],
    ["damaged", "line 3", (lines) => lines.toSpliced(2, 0, lines[1]!), {}],
    ["damaged", "line 4", (lines) => withSynced(lines.with(3, "\0\0\n"), 4), {}],
    ["other-session", "$.graph_id was", (lines) => lines, { graphId: "h" }],
    ["other-session", '"rpv1:x"', (lines) => lines, { runtimeProvenance: "rpv1:x" }],
    ["diverged", "decision 1", (lines) => lines.with(4, lines[4]!.replace("Invoke", "Skip")), {}],
    ["no-session", "no session", () => [], {}],
  ];
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const lines = (await Deno.readTextFile(path)).split(/(?<=\n)/);
    const rules = await rulesOf(path);
    for (const [kind, message, change, options] of cases) {
      await Deno.writeTextFile(path, change(lines).join(""));
      const before = await Deno.readTextFile(path);
      const error = await assertRejects(
        () => resumeCapture({ ...rules, ...portsOf(path), ...options }),
        CaptureJournalError,
        message,
      );
      assertEquals(error.kind, kind);
      assertEquals(await Deno.readTextFile(path), before);
    }
    const missing = `${directory}/none.jsonl`;
    const error = await assertRejects(
      () => resumeCapture({ ...rules, ...portsOf(missing) }),
      CaptureJournalError,
    );
    assertEquals(error.kind, "io");
    await assertRejects(() => Deno.lstat(missing), Deno.errors.NotFound);
  });
});

/** The lines, the last of which says that so many are on disk. */
function withSynced(lines: string[], synced: number): string[] {
  const last = lines.at(-1)!.replace('"type"', `"synced":${synced},"type"`);
  return lines.with(-1, last);
}

function portsOf(journalPath: string) {
  return {
    decisionLog: new MemoryDecisionLog(),
    invoker: { run: (_: RunRequest) => "Completed" as const },
    createSupervisor,
    runtimeProvenance: RUNTIME,
    timers: systemTimers,
    journalPath,
  };
}

Deno.test("of two who resume a session one gets a conflict, before it has done anything", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    let second: Resumed | undefined;
    const error = await assertRejects(
      () => resume(path, { onRecovered: async () => void (second = await resume(path)) }),
      CaptureJournalError,
    );
    assertEquals(error.kind, "conflict");
    await second!.session.close();
    await checkWhole(path, second!);
  });
});

Deno.test("a line that does not go on where the journal stopped counts as damage", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const text = await Deno.readTextFile(path);
    const lines = text.split("\n").length - 1;
    for (const [counted, damage] of [[lines, null], [lines - 1, "disordered"]] as const) {
      const from = { runtime_provenance: RUNTIME, changed: [], pid: 1, hash: "" };
      const line = { line: lines + 1, type: "resumed", lines: counted, ...from };
      await Deno.writeTextFile(path, `${text}${JSON.stringify(line)}\n`);
      assertEquals((await recoverCapture(path)).damage?.kind ?? null, damage);
    }
  });
});

Deno.test("a signal that aborts while a session is gone through leaves it as it is", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/capture.jsonl`;
    await writeConcurrent(path);
    const before = await Deno.readTextFile(path);
    const controller = new AbortController();
    const onRecovered = () => controller.abort(new Error("enough"));
    await assertRejects(
      () => resume(path, { signal: controller.signal, onRecovered }),
      Error,
      "enough",
    );
    assertEquals(await Deno.readTextFile(path), before);
    const { session } = await resume(path);
    await session.close();
  });
});

async function capture(port: FaultPort, root: string, acknowledged: string[]): Promise<void> {
  const journal = openJournalOnPort(port, `${root}/capture.jsonl`, { durability: "disk" });
  const session = newSession({ mode: "concurrent", journal });
  try {
    for (const id of ["e1", "e2"]) {
      await session.onEvent(event(id));
      await session.supervisor.idle();
      acknowledged.push(id);
    }
  } finally {
    session.intoBundle();
  }
}

Deno.test("the power goes: a session goes on, and makes nothing again that was over", async () => {
  await everyCut(capture, async (image, { acknowledged }) => {
    const path = `${image}/capture.jsonl`;
    const ports = portsOf(path);
    const made: string[] = [];
    const invoker = {
      run: ({ eventId }: RunRequest) => {
        made.push(eventId);
        return "Completed" as const;
      },
    };
    const rules = { graphId: "g", mode: "concurrent", constraints: { max_retries: 0 } } as const;
    let resumed;
    try {
      resumed = await resumeCapture({ ...ports, ...rules, invoker });
    } catch (error) {
      assert(error instanceof CaptureJournalError && ["io", "no-session"].includes(error.kind));
      return assertEquals(acknowledged, []);
    }
    await resumed.session.onEvent(event("e3"));
    await resumed.session.close();
    assertEquals(made.filter((id) => acknowledged.includes(id)), []);
    await checkWhole(path, { ...resumed, invoked: made, log: ports.decisionLog });
  });
});
