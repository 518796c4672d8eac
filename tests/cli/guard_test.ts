/** The guard of a worker, by itself: what it ends, and when. */
import { assertEquals } from "@std/assert";
import { identifyProcess, readStat } from "../../cli/process/processes.ts";
import { ownVariables } from "../../run/marks.ts";
import type { GuardedJob } from "../../cli/work/guard_process.ts";
import { RunningProcess } from "../_util/process.ts";
import { HAS_SIGNALS, startTaffrail } from "./_command.ts";

const HOUR_MS = 3_600_000;
const MARK = { root: "postgres://u@h/d", runId: "guarded-1", nodeId: "a", attempt: 1 };

/** A guard that takes what it is told, and commands that run until they are ended. */
async function withGuard(
  use: (
    guard: RunningProcess,
    start: (env?: Record<string, string>) => Promise<Command>,
  ) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const guard = stack.use(startTaffrail(["work", "guard"], { cwd: Deno.cwd() }));
  await use(guard, async (env = {}) => {
    const script = "echo begun; while :; do sleep 0.05; done";
    const words = ["setsid", "sh", "-c", `echo $$; ${script}`];
    const running = stack.use(new RunningProcess(words, { env }));
    const pid = Number(await running.stdout.find(/^\d+$/));
    await running.stdout.find(/^begun$/);
    stack.defer(() => kill(-pid));
    return { pid, running };
  });
}

interface Command {
  /** The process that leads its group. */
  pid: number;
  running: RunningProcess;
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

async function tell(guard: RunningProcess, jobs: readonly GuardedJob[]): Promise<void> {
  await guard.write(`${JSON.stringify(jobs)}\n`);
}

/** A job whose lease is far from its end. */
function job({ pid }: Pick<Command, "pid">, change: Partial<GuardedJob> = {}): GuardedJob {
  const { startTime } = identifyProcess(pid);
  const process = { pid, ...(startTime !== undefined && { startTime }) };
  return { ...MARK, process, leftMs: HOUR_MS, until: Date.now() + HOUR_MS, ...change };
}

const ignore = !HAS_SIGNALS || Deno.build.os !== "linux";

Deno.test({
  name: "the guard ends a command when its lease is past on either clock, and no other one",
  ignore,
  fn: () =>
    withGuard(async (guard, start) => {
      const [monotonic, wall, other] = await Promise.all([start(), start(), start()]);
      const others = { nodeId: "other" };
      await tell(guard, [
        job(monotonic, { leftMs: 100 }),
        job(wall, { until: Date.now() - 1 }),
        job(other, others),
      ]);
      await Promise.all([monotonic.running.end(), wall.running.end()]);
      assertEquals(readStat(other.pid)?.pid, other.pid);
    }),
});

Deno.test({
  name:
    "the guard ends what there is when the worker is gone, by its group or by its mark, and then itself",
  ignore,
  fn: () =>
    withGuard(async (guard, start) => {
      const [grouped, marked, past, foreign] = await Promise.all([
        start(),
        start(ownVariables(MARK, "")),
        start(),
        start(ownVariables({ ...MARK, attempt: 2 }, "")),
      ]);
      const first = await start();
      await tell(guard, [job(past), job(first, { nodeId: "first", leftMs: 0 })]);
      // From here on it takes no signal.
      await first.running.end();
      // Nobody has said which process the command is.
      await tell(guard, [job(grouped, { nodeId: "b" }), { ...job(marked), process: undefined }]);
      guard.kill("SIGTERM");
      guard.kill("SIGINT");
      await guard.closeInput();
      await Promise.all([grouped.running.end(), marked.running.end()]);
      const { code, stderr } = await guard.end();
      assertEquals([code, stderr], [0, ""]);
      for (const { pid } of [past, foreign]) assertEquals(readStat(pid)?.pid, pid);
    }),
});

Deno.test({
  name: "the guard lets a process alone that has only got the number of a command",
  ignore,
  fn: () =>
    withGuard(async (guard, start) => {
      const [newer, command] = [await start(), await start()];
      const { startTime = 0 } = identifyProcess(newer.pid);
      const process = { pid: newer.pid, startTime: startTime - 1 };
      await tell(guard, [job(newer, { process, leftMs: 0 }), job(command, { leftMs: 0 })]);
      await command.running.end();
      await guard.closeInput();
      await guard.end();
      assertEquals(readStat(newer.pid)?.pid, newer.pid);
    }),
});
