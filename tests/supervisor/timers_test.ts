import { assert, assertEquals, assertThrows } from "@std/assert";
import { compareTimes, durationBetween } from "../../_internal/event_time.ts";
import { ManualTimers, systemTimers } from "../../supervisor/mod.ts";
import { at } from "./_util.ts";

/** `ManualTimers`, and `systemTimers` in processes of their own. */

Deno.test("ManualTimers call back in the order of time, each at its own time", () => {
  const timers = new ManualTimers(at(100));
  const calls: string[] = [];
  const note = (name: string) => () => calls.push(`${name}@${timers.now().secs}`);
  timers.setTimer(at(130), note("c"));
  timers.setTimer(at(110), note("a"));
  timers.setTimer(at(110), () => {
    note("b")();
    timers.setTimer(at(120), note("set meanwhile"));
  });
  const cancel = timers.setTimer(at(115), note("cancelled"));
  cancel();
  assertEquals(timers.pendingCount, 3);
  timers.advance(at(25));
  assertEquals(calls, ["a@110", "b@110", "set meanwhile@120"]);
  assertEquals([timers.now(), timers.pendingCount], [at(125), 1]);
  cancel();
});

Deno.test("ManualTimers call back what is overdue at the next advance, not at once", () => {
  const timers = new ManualTimers(at(5));
  let calls = 0;
  timers.setTimer(at(1), () => calls++);
  assertEquals(calls, 0);
  timers.advance();
  assertEquals([calls, timers.now()], [1, at(5)]);
});

Deno.test("ManualTimers refuse what is no duration", () => {
  assertThrows(() => new ManualTimers().advance(at(-1)), RangeError, "duration.secs");
  assertThrows(() => new ManualTimers(at(0.5)), RangeError, "now.secs");
});

Deno.test("systemTimers count from 1970 and do not go back", () => {
  const before = Date.now();
  const times = Array.from({ length: 1_000 }, () => systemTimers.now());
  assert(Math.abs(times[0]!.secs - before / 1_000) < 60);
  times.reduce((earlier, later) => {
    assert(compareTimes(earlier, later) <= 0);
    assert(Number.isInteger(later.nanos) && later.nanos >= 0 && later.nanos < 1_000_000_000);
    return later;
  });
});

Deno.test("systemTimers call back when the time has come", async () => {
  const wanted = systemTimers.now();
  const rung = await new Promise<ReturnType<typeof at>>((resolve) => {
    systemTimers.setTimer(
      { secs: wanted.secs, nanos: wanted.nanos },
      () => resolve(systemTimers.now()),
    );
  });
  assert(compareTimes(rung, wanted) >= 0);
  const cancel = systemTimers.setTimer(at(wanted.secs + 1), () => {
    throw new Error("it was taken back");
  });
  cancel();
});

Deno.test("systemTimers can be set for any time", () => {
  systemTimers.setTimer({ secs: Number.MAX_SAFE_INTEGER, nanos: 0 }, () => {
    throw new Error("that was too early by far");
  })();
});

/** Runs a program without any permission, and says what it printed and how it ended. */
async function run(program: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-lock", "-"],
    cwd: new URL("../..", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(program));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const HEAD = `
import {
  createEvent, MemoryDecisionLog, PumpDriver, Supervisor, systemTimers as timers,
} from "@taffrail/taffrail/supervisor";
const decisionLog = new MemoryDecisionLog();
const open = (rest) => new Supervisor({
  graphId: "g", decisionLog, timers, deadlineGraceMs: 1,
  invoker: { run: async () => "Completed" }, ...rest,
});
const send = (supervisor, id) =>
  supervisor.onEvent(createEvent({ id, kind: "Command", at: timers.now() }));
`;

Deno.test("a program with a pump driver ends by itself when its work is done, not before", async () => {
  const { code, stdout, stderr } = await run(`${HEAD}
    const rate_window = { secs: 0, nanos: 50_000_000 };
    const supervisor = open({ constraints: { max_per_window: 1, rate_window, max_retries: 0 } });
    new PumpDriver({ supervisor, timers });
    for (const id of ["e1", "e2", "e3"]) await send(supervisor, id);
    addEventListener("unload", () => {
      const invoked = decisionLog.entries.filter(({ decision }) => decision === "Invoke");
      console.log(invoked.map(({ originEventId }) => originEventId).sort().join());
    });
  `);
  assertEquals([code, stdout, stderr], [0, "e1,e2,e3\n", ""]);
});

Deno.test("a program with a deadline waits for it, though its invoker never answers", async () => {
  const { code, stdout, stderr } = await run(`${HEAD}
    const supervisor = open({
      mode: "concurrent",
      constraints: { deadline: { secs: 0, nanos: 20_000_000 }, max_retries: 1 },
      invoker: { run: () => new Promise(() => {}) },
    });
    await send(supervisor, "e1");
    await supervisor.close();
    console.log(decisionLog.entries.map(({ reason }) => reason).join());
  `);
  assertEquals([code, stdout, stderr], [0, "admitted,retry,retries_exhausted\n", ""]);
});

Deno.test("durationBetween() of the timers' own times is what has passed", () => {
  const start = systemTimers.now();
  const { secs } = durationBetween(start, systemTimers.now());
  assert(secs < 60);
});
