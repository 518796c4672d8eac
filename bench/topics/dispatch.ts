import {
  createEvent,
  type RuntimeInvoker,
  Supervisor,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { type Case, measureRounds } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";
import { loadPQueue, type TaskQueue } from "../peers/p_queue.ts";

const ROUNDS = 15;
const GOAL_COUNT = 100_000;
const COUNTS = [GOAL_COUNT, 1_000];

const P_QUEUE_8 = "p-queue, 8 at once";
const P_QUEUE = "p-queue, no limit";
const SERIAL = "supervisor, serial, answered at once";
const CONCURRENT = "supervisor, concurrent, answered at once";
const AWAITED = "supervisor, concurrent, answered later, each event awaited";
const TOGETHER = "supervisor, concurrent, answered later, none awaited";

const event = createEvent({ id: "e", kind: "Command", at: { secs: 0, nanos: 0 } });
const decisionLog = { log() {} };
const atOnce: RuntimeInvoker = { run: () => "Completed" };
const later: RuntimeInvoker = { run: () => Promise.resolve("Completed") };

function nameOf(what: string, count: number): string {
  return `${count.toLocaleString("en")} tasks: ${what}`;
}

/** Times some tasks, from the first until all have ended. */
function taskCase(what: string, count: number, run: () => Promise<unknown>): Case {
  return {
    name: nameOf(what, count),
    async run() {
      const start = performance.now();
      await run();
      return (performance.now() - start) * 1000 / count;
    },
  };
}

async function addAll(queue: TaskQueue, count: number): Promise<void> {
  for (let index = 0; index < count; index++) queue.add(() => Promise.resolve("Completed"));
  await queue.onIdle();
}

function open(mode: SupervisorMode, invoker: RuntimeInvoker): Supervisor {
  const constraints = { max_retries: 0 };
  return new Supervisor({ graphId: "g", constraints, mode, decisionLog, invoker });
}

async function sendAll(supervisor: Supervisor, count: number): Promise<void> {
  for (let index = 0; index < count; index++) supervisor.onEvent(event);
  await supervisor.close();
}

async function sendEach(supervisor: Supervisor, count: number): Promise<void> {
  for (let index = 0; index < count; index++) await supervisor.onEvent(event);
  await supervisor.close();
}

function casesOf(count: number, makeQueue: (concurrency: number) => TaskQueue): Case[] {
  return [
    taskCase(P_QUEUE_8, count, () => addAll(makeQueue(8), count)),
    taskCase(P_QUEUE, count, () => addAll(makeQueue(Infinity), count)),
    taskCase(SERIAL, count, () => sendAll(open("serial", atOnce), count)),
    taskCase(CONCURRENT, count, () => sendAll(open("concurrent", atOnce), count)),
    taskCase(AWAITED, count, () => sendEach(open("concurrent", later), count)),
    taskCase(TOGETHER, count, () => sendAll(open("concurrent", later), count)),
  ];
}

/**
 * What the driver costs for a task that no limit holds back. The goal is for numbers of tasks that a
 * supervisor is there for; the small ones show how close p-queue comes while its queue is short.
 */
export const dispatch: Topic = {
  name: "dispatch",
  title: "tasks without limits, through the driver",
  async measure() {
    const makeQueue = await loadPQueue();
    const cases = COUNTS.flatMap((count) => casesOf(count, makeQueue));
    const rounds = await measureRounds(cases, ROUNDS);
    const ratio = (count: number, of: string, to: string, promise = {}) =>
      ratioOf(rounds, { of: nameOf(of, count), to: nameOf(to, count) }, promise);
    return {
      operation: "a task",
      rounds,
      ratios: COUNTS.flatMap((count) => [
        ratio(count, P_QUEUE, SERIAL, count === GOAL_COUNT ? { atLeast: 5 } : {}),
        ratio(count, P_QUEUE, CONCURRENT),
        ratio(count, P_QUEUE, AWAITED),
        ratio(count, P_QUEUE, TOGETHER),
        ratio(count, P_QUEUE_8, SERIAL),
        ratio(count, P_QUEUE_8, AWAITED),
      ]),
    };
  },
};
