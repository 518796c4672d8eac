import { assert, assertEquals } from "@std/assert";
import { addDuration, compareTimes } from "../../_internal/event_time.ts";
import { readRules } from "../../supervisor/core/rules.ts";
import { SupervisorCore } from "../../supervisor/core/supervisor_core.ts";
import {
  createEvent,
  type DecisionLogEntry,
  type LateAnswer,
  ManualTimers,
  MemoryDecisionLog,
  PumpDriver,
  type RunRequest,
  type RunTermination,
  type RuntimeInvoker,
  Supervisor,
  type SupervisorInput,
  type SupervisorMode,
  type SupervisorRules,
} from "../../supervisor/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { randomAnswer, randomDuration, randomRetry, randomRules } from "./_sessions.ts";
import { settle } from "./_util.ts";

/**
 * Concurrent sessions with random durations, retries, deadlines and late answers: the recorded list of
 * inputs, fed to a fresh core or a fresh supervisor, gives the same decisions.
 */

/** An invoker whose runs take random time, now and then for ever, and heed their signals or not. */
class RandomInvoker implements RuntimeInvoker {
  readonly #random: Random;
  readonly #timers: ManualTimers;
  running = 0;

  constructor(random: Random, timers: ManualTimers) {
    this.#random = random;
    this.#timers = timers;
  }

  run({ signal }: RunRequest): RunTermination | Promise<RunTermination> {
    const answer = randomAnswer(this.#random);
    if (this.#random.chance(0.1)) return answer;
    if (this.#random.chance(0.05)) throw new Error("thrown at random");
    const isDeaf = this.#random.chance(0.3);
    const isEndless = this.#random.chance(0.1);
    return new Promise((resolve, reject) => {
      if (!isDeaf) signal.addEventListener("abort", () => resolve("Aborted"));
      if (isEndless && !signal.aborted) return;
      const end = addDuration(this.#timers.now(), randomDuration(this.#random, 30));
      const fails = this.#random.chance(0.05);
      this.#timers.setTimer(end, () => fails ? reject(new Error("later")) : resolve(answer));
    });
  }
}

/** What a session was and what became of it. */
interface Recording {
  rules: SupervisorRules;
  inputs: SupervisorInput[];
  entries: readonly DecisionLogEntry[];
  late: LateAnswer[];
}

/** Runs a session on timers that only the test moves. */
async function record(random: Random, mode: SupervisorMode): Promise<Recording> {
  const { maxDeferred, ...rest } = randomRules(random, mode);
  const deadline = random.chance(0.7)
    ? addDuration(randomDuration(random), { secs: 0, nanos: 1 })
    : null;
  const rules = { ...rest, constraints: { ...rest.constraints, deadline }, maxDeferred };
  const timers = new ManualTimers();
  const inputs: SupervisorInput[] = [];
  const late: LateAnswer[] = [];
  const decisionLog = new MemoryDecisionLog();
  const stop = new AbortController();
  const slow = random.chance(0.3);
  const supervisor = new Supervisor({
    ...rules,
    decisionLog: slow
      ? { log: (entry) => Promise.resolve().then(() => decisionLog.log(entry)) }
      : decisionLog,
    invoker: new RandomInvoker(random, timers),
    inputLog: { record: (input) => void inputs.push(input) },
    timers,
    deadlineGraceMs: random.below(3) * 500,
    onLate: (answer) => late.push(answer),
    signal: stop.signal,
  });
  const pump = random.chance(0.5) ? new PumpDriver({ supervisor, timers }) : undefined;
  const handled: Promise<void>[] = [];
  for (let count = 0; count < 30; count++) {
    const kind = random.chance(0.3) ? "Pump" : "Command";
    const own = kind === "Pump" || random.chance(0.7) ? {} : { retry: randomRetry(random) };
    const event = createEvent({ id: `e${count}`, kind, at: timers.now(), ...own });
    handled.push(supervisor.onEvent(event));
    for (const { episodeId } of supervisor.deferred) {
      if (random.chance(0.1)) handled.push(supervisor.withdraw({ episodeId }));
    }
    if (random.chance(0.7)) await settle();
    timers.advance(randomDuration(random, 10));
    if (random.chance(0.7)) await settle();
  }
  pump?.stop();
  stop.abort();
  for (let turn = 0; turn < 100; turn++) {
    timers.advance({ secs: 1, nanos: 0 });
    await settle();
  }
  await Promise.allSettled(handled);
  await supervisor.close();
  assertEquals(timers.pendingCount, 0);
  return { rules, inputs, entries: decisionLog.entries, late };
}

/** Every attempt has exactly one completion, and no limit was ever exceeded. */
function checkInvariants({ rules, inputs, entries }: Recording): void {
  const core = new SupervisorCore(readRules(rules));
  const { max_in_flight: max } = readRules(rules).constraints;
  const open = new Set<string>();
  for (const input of inputs) {
    if (input.type === "completion") {
      assert(open.delete(`${input.episode_id}#${input.attempt}`));
    }
    for (const { episodeId, attempt } of core.step(input).invocations) {
      open.add(`${episodeId}#${attempt}`);
    }
    if (max !== null) assert(open.size <= Math.max(max, rules.mode === "serial" ? 1 : 0));
  }
  assertEquals(open.size, 0);
  entries.reduce((before, entry) => {
    assert(compareTimes(before.numbers.now, entry.numbers.now) <= 0 || rules.mode === "serial");
    return entry;
  });
}

function replayInCore({ rules, inputs }: Recording): DecisionLogEntry[] {
  const core = new SupervisorCore(readRules(rules));
  return inputs.flatMap((input) => core.step(input).decisions);
}

/** As capture replays without an invoker: recorded completions, and nothing else ends an attempt. */
async function replayInSupervisor(
  { rules, inputs }: Recording,
  random: Random,
): Promise<readonly DecisionLogEntry[]> {
  const decisionLog = new MemoryDecisionLog();
  const again: SupervisorInput[] = [];
  const ports = {
    decisionLog,
    invoker: { run: () => new Promise<never>(() => {}) },
    inputLog: { record: (input: SupervisorInput) => void again.push(input) },
    timers: new ManualTimers(),
  };
  let supervisor = new Supervisor({ ...rules, ...ports });
  for (const input of inputs) {
    if (random.chance(0.05)) {
      supervisor = Supervisor.from(JSON.parse(JSON.stringify(supervisor)), ports);
    }
    if (input.type === "event") {
      const handled = supervisor.onEvent(input.event);
      if (rules.mode === "concurrent") await handled;
    } else if (input.type === "withdraw") {
      await supervisor.withdraw({ episodeId: input.episode_id, at: input.at });
    } else {
      const { episode_id: episodeId, attempt, termination, at, end } = input;
      await supervisor.complete({ episodeId, attempt, termination, at, ...(end && { end }) });
    }
  }
  assertEquals(again, inputs);
  return decisionLog.entries;
}

/** As capture replays live: real answers, held back until it is their recorded turn. */
async function replayLive({ rules, inputs }: Recording): Promise<readonly DecisionLogEntry[]> {
  const decisionLog = new MemoryDecisionLog();
  const held = new Map<string, PromiseWithResolvers<RunTermination>>();
  let now = { secs: 0, nanos: 0 };
  const supervisor = new Supervisor({
    ...rules,
    decisionLog,
    invoker: {
      run({ episodeId, attempt }) {
        const answer = Promise.withResolvers<RunTermination>();
        held.set(`${episodeId}#${attempt}`, answer);
        return answer.promise;
      },
    },
    timers: { now: () => now, setTimer: () => () => {} },
  });
  for (const input of inputs) {
    if (input.type === "event") {
      void supervisor.onEvent(input.event);
    } else if (input.type === "withdraw") {
      now = input.at;
      void supervisor.withdraw({ episodeId: input.episode_id });
    } else {
      now = input.at;
      held.get(`${input.episode_id}#${input.attempt}`)!.resolve(input.termination);
    }
    await settle();
  }
  await supervisor.close();
  return decisionLog.entries;
}

for (const mode of ["concurrent", "serial"] as const) {
  Deno.test(`a recorded ${mode} session replays to identical decisions`, async () => {
    let lateAnswers = 0;
    for (let session = 0; session < longCount(60, 1_500); session++) {
      const random = new Random(mixSeeds(seed(), 77, session));
      try {
        const recording = await record(random, mode);
        lateAnswers += recording.late.length;
        checkInvariants(recording);
        assertEquals(replayInCore(recording), recording.entries);
        assertEquals(await replayInSupervisor(recording, random), recording.entries);
        assertEquals(await replayLive(recording), recording.entries);
      } catch (error) {
        throw new Error(`session ${session}, TAFFRAIL_SEED=${seed()}`, { cause: error });
      }
    }
    assert(lateAnswers > 0);
  });
}
