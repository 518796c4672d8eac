// deno-lint-ignore-file no-console -- the parent reads it
/**
 * Captures a number of events, replays them and prints the greatest resident memory of the process.
 *
 * Usage: `replay_events.ts COUNT`
 */
import {
  CapturingSession,
  parseCaptureBundle,
  replayBundle,
  stringifyCaptureBundle,
} from "../../capture/mod.ts";
import {
  createEvent,
  FaultInvoker,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";

const count = Number(Deno.args[0]);
const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);
const toMib = (bytes: number) => bytes / 1024 / 1024;

async function capture(): Promise<string> {
  const session = new CapturingSession({
    graphId: "bench",
    constraints: { max_retries: 0 },
    decisionLog: { log: () => {} },
    invoker: new FaultInvoker(),
    createSupervisor,
    runtimeProvenance: "rpv1:sha256:bench",
  });
  for (let index = 0; index < count; index++) {
    const at = { secs: index, nanos: 0 };
    const payload = '{"price":101.25}';
    await session.onEvent(createEvent({ id: `event-${index}`, kind: "Command", at, payload }));
  }
  return stringifyCaptureBundle(session.intoBundle());
}

const start = toMib(Deno.memoryUsage().rss);
const bundle = parseCaptureBundle(await capture());
const before = performance.now();
const { ok } = await replayBundle(bundle, { createSupervisor });
if (!ok) throw new Error("The replay went otherwise than the recording");
const seconds = (performance.now() - before) / 1000;
// The system keeps the greatest value; what is resident now may be less.
const status = await Deno.readTextFile("/proc/self/status").catch(() => "");
const peak = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
console.log(JSON.stringify({ mib: peak || toMib(Deno.memoryUsage().rss), start, seconds }));
