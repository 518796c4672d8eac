/** Replays that make the attempts again. */
import { assert, assertEquals } from "@std/assert";
import { type CaptureBundle, replayBundle } from "../../capture/mod.ts";
import { ManualTimers, type RunTermination } from "../../supervisor/mod.ts";
import { at, createSupervisor, event, newSession } from "./_util.ts";

/** Two attempts at the same time; the second one ends first. */
async function twoAtOnce(): Promise<CaptureBundle> {
  const answers = new Map<string, (termination: RunTermination) => void>();
  const session = newSession({
    mode: "concurrent",
    constraints: { max_retries: 0, deadline: at(30) },
    timers: new ManualTimers(),
    invoker: {
      run: ({ eventId }) => new Promise((resolve) => answers.set(eventId, resolve)),
    },
  });
  for (const id of ["e1", "e2"]) await session.onEvent(event(id));
  for (const id of ["e2", "e1"]) {
    answers.get(id)!("Completed");
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
  return session.intoBundle();
}

Deno.test("answers wait for their turn", async () => {
  const answered: string[] = [];
  const report = await replayBundle(await twoAtOnce(), {
    createSupervisor,
    invoker: {
      run: async ({ eventId }) => {
        // Now the first one ends first.
        if (eventId === "e2") await new Promise((resolve) => setTimeout(resolve));
        answered.push(eventId);
        return "Completed" as const;
      },
    },
  });
  assertEquals(answered, ["e1", "e2"]);
  assertEquals(report.divergences, []);
});

Deno.test("an attempt that ends otherwise is reported, and what follows from it", async () => {
  const { divergences } = await replayBundle(await twoAtOnce(), {
    createSupervisor,
    invoker: { run: ({ eventId }) => eventId === "e1" ? { Failed: "SemanticError" } : "Completed" },
  });
  assertEquals(divergences.map(({ kind, event, path }) => [kind, event, path]), [
    ["changed", "e1", "$.decisions[3].termination"],
    ["changed", "e1", "$.decisions[3].attempt_termination"],
    ["changed", "e1", "$.decisions[3].reason"],
    ["termination", "e1", "$.inputs[3].termination"],
  ]);
});

Deno.test("an invoker that throws or answers nonsense fails the attempt", async () => {
  const answers = [() => Promise.reject(new Error("broken")), () => "nonsense" as RunTermination];
  for (const run of answers) {
    const { divergences } = await replayBundle(await twoAtOnce(), {
      createSupervisor,
      invoker: { run },
    });
    const ends = divergences.filter(({ kind }) => kind === "termination");
    assertEquals(ends.map(({ replayed }) => replayed), [
      { Failed: "RuntimeError" },
      { Failed: "RuntimeError" },
    ]);
  }
});

Deno.test("with timers an attempt that never ends is given up", async () => {
  const timers = new ManualTimers();
  const aborted: string[] = [];
  const replaying = replayBundle(await twoAtOnce(), {
    createSupervisor,
    timers,
    deadlineGraceMs: 500,
    invoker: {
      run: ({ eventId, signal }) => {
        if (eventId === "e1") return "Completed";
        signal.addEventListener("abort", () => aborted.push(signal.reason.name));
        return new Promise(() => {});
      },
    },
  });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  timers.advance(at(30));
  assertEquals(aborted[0], "TimeoutError");
  timers.advance({ secs: 0, nanos: 500_000_000 });
  const { divergences } = await replaying;
  const [end] = divergences.filter(({ kind }) => kind === "termination");
  assertEquals([end?.event, end?.replayed], ["e2", "TimedOut"]);
  assertEquals(timers.pendingCount, 0);
});

Deno.test("a recorded end of an attempt that the replay does not make is reported", async () => {
  const bundle = await twoAtOnce();
  assert("inputs" in bundle);
  const completion = bundle.inputs[2]!;
  assert(completion.type === "completion");
  bundle.inputs.push({ ...completion, attempt: 2 }, completion);
  const { divergences } = await replayBundle(bundle, { createSupervisor });
  assertEquals(divergences.map(({ kind, path }) => [kind, path]), [
    ["unmatched", "$.inputs[4]"],
    ["unmatched", "$.inputs[5]"],
  ]);
});

Deno.test("attempts whose turn never comes are told to stop", async () => {
  const session = newSession({ mode: "concurrent", invoker: { run: () => new Promise(() => {}) } });
  await session.onEvent(event("e1"));
  const aborted: string[] = [];
  const { ok } = await replayBundle(session.intoBundle(), {
    createSupervisor,
    invoker: {
      run: ({ eventId, signal }) =>
        new Promise(() => signal.addEventListener("abort", () => aborted.push(eventId))),
    },
  });
  assert(ok);
  assertEquals(aborted, ["e1"]);
});
