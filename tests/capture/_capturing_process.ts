/**
 * A process that captures until it is killed: `<journal> <mode> <seed> <event to hang in>`. It prints
 * `run <id>` when an attempt begins that will not end, and `done <id>` when an event is decided on. What is
 * deferred it withdraws, and prints `withdrawn <id>` when that is decided on.
 */
import { openCaptureJournal } from "../../capture/mod.ts";
import type { RunTermination, SupervisorMode } from "../../supervisor/mod.ts";
import { Random } from "../_util/random.ts";
import { event, newSession } from "./_util.ts";

const [path = "", mode = "", seed = "", hangAt = ""] = Deno.args;
const random = new Random(Number(seed));
const encoder = new TextEncoder();

function print(line: string): void {
  Deno.stdout.writeSync(encoder.encode(line + "\n"));
}

const ENDS: RunTermination[] = ["Completed", { Failed: "NetworkTimeout" }, "TimedOut"];

const session = newSession({
  mode: mode as SupervisorMode,
  constraints: {
    max_retries: 2,
    max_in_flight: 3,
    max_per_window: 2,
    rate_window: { secs: 3, nanos: 0 },
  },
  journal: openCaptureJournal(path, { durability: random.chance(0.2) ? "disk" : "os" }),
  invoker: {
    run: async ({ eventId }) => {
      if (eventId === hangAt) {
        print(`run ${eventId}`);
        return await new Promise<never>(() => {});
      }
      if (random.chance(0.5)) await Promise.resolve();
      return { termination: random.pick(ENDS), end: { event: eventId, list: [1, "é"] } };
    },
  },
});

// An attempt that never ends keeps no process alive, and this one is to be alive when it is killed.
setInterval(() => {}, 1_000_000);

for (let index = 0;; index++) {
  const kind = random.pick(["Command", "DataAvailable", "Pump"] as const);
  const id = `e${index}`;
  await session.onEvent(
    event(id, index, { kind: id === hangAt ? "Command" : kind, payload: '{"x":1}' }),
  );
  print(`done ${id}`);
  for (const { eventId, episodeId } of session.supervisor.deferred) {
    await session.supervisor.withdraw({ episodeId });
    print(`withdrawn ${eventId}`);
  }
}
