import type { CaptureBundle, CaptureJournal } from "../../capture/mod.ts";
import {
  type Backoff,
  type ConstraintsInit,
  createEvent,
  type ErrKind,
  type EventRetry,
  type ExternalEventKind,
  FaultInvoker,
  ManualTimers,
  type RunAnswer,
  type RunTermination,
  type Supervisor,
} from "../../supervisor/mod.ts";
import type { Random } from "../_util/random.ts";
import { at, newSession } from "./_util.ts";

const KINDS: readonly ExternalEventKind[] = ["Command", "DataAvailable", "Pump", "Pump"];
const FAILURES: readonly ErrKind[] = [
  "NetworkTimeout",
  "AdapterUnavailable",
  "ValidationFailed",
  "RuntimeError",
  "SemanticError",
  "DeadlineExceeded",
  "Cancelled",
];
const PAYLOADS = ["", "{}", '{"x":1}', '{"l":[1,2.5],"s":"é","o":null}'];

function randomTermination(random: Random): RunTermination {
  if (random.chance(0.4)) return "Completed";
  if (random.chance(0.2)) return random.pick(["TimedOut", "Aborted"]);
  return { Failed: random.pick(FAILURES) };
}

/** How an attempt ends, and now and then what else is to be recorded of that. */
function randomAnswer(random: Random): RunTermination | RunAnswer {
  const termination = randomTermination(random);
  if (random.chance(0.7)) return termination;
  return {
    termination,
    end: { z: random.below(9), duration_ms: random.next(), list: ["é", null] },
  };
}

/** Takes something out of the queue, if something waits. */
async function withdrawOne(random: Random, supervisor: Supervisor): Promise<void> {
  const { deferred } = supervisor;
  if (deferred.length > 0) await supervisor.withdraw(random.pick(deferred));
}

function randomConstraints(random: Random): ConstraintsInit {
  const isRateLimited = random.chance(0.5);
  return {
    max_in_flight: random.chance(0.4) ? random.below(4) : null,
    max_per_window: isRateLimited ? random.below(4) : null,
    rate_window: isRateLimited ? at(random.below(12)) : null,
    deadline: random.chance(0.3) ? at(random.below(5)) : null,
    max_retries: random.below(4),
  };
}

function randomBackoff(random: Random): Backoff {
  return { initial: at(random.below(3)), factor: 1 + random.below(3), max: at(9) };
}

function randomBounds(random: Random) {
  const backoff = randomBackoff(random);
  return {
    ...(random.chance(0.2) ? { maxDeferred: random.below(4) } : {}),
    ...(random.chance(0.2) ? { backoff } : {}),
  };
}

function randomEvent(
  random: Random,
  { id, secs, saysRetry }: { id: string; secs: number; saysRetry: boolean },
) {
  const kind = random.pick(KINDS);
  const retry = kind === "Pump" || !saysRetry || random.chance(0.7) ? {} : randomRetry(random);
  return createEvent({ id, kind, at: at(secs), payload: random.pick(PAYLOADS), retry });
}

function randomRetry(random: Random): EventRetry {
  return {
    ...(random.chance(0.5) && { max_retries: random.below(4) }),
    ...(random.chance(0.5) && { deadline: at(random.below(5)) }),
    ...(random.chance(0.5) && { backoff: randomBackoff(random) }),
  };
}

/** A serial session of random events, limits and outcomes, and the invoker that has the same outcomes. */
export async function randomSerialSession(
  random: Random,
  { journal }: { journal?: CaptureJournal } = {},
): Promise<{ bundle: CaptureBundle; newInvoker: () => FaultInvoker }> {
  const ids = Array.from({ length: random.below(20) }, (_, index) => `e${index}`);
  const outcomes = ids.map((id) => ({
    id,
    terminations: Array.from({ length: random.below(4) }, () => randomTermination(random)),
  }));
  const newInvoker = () => {
    const invoker = new FaultInvoker();
    for (const { id, terminations } of outcomes) invoker.pushOutcomes(id, terminations);
    return invoker;
  };
  const session = newSession({
    constraints: randomConstraints(random),
    invoker: newInvoker(),
    ...(journal && { journal }),
    ...randomBounds(random),
  });
  let secs = 0;
  // What v3 cannot say stays out of most sessions.
  const withdraws = random.chance(0.2);
  const saysRetry = random.chance(0.2);
  for (const id of ids) {
    secs = Math.max(0, secs + random.below(9) - 2);
    await session.onEvent(randomEvent(random, { id, secs, saysRetry }));
    if (withdraws && random.chance(0.3)) await withdrawOne(random, session.supervisor);
    if (random.chance(0.3)) {
      await session.setEffects(random.below(session.decisionCount), [effect()]);
    }
  }
  return { bundle: session.intoBundle(), newInvoker };

  function effect() {
    const value = random.chance(0.5)
      ? { Number: random.next() * 1000 }
      : { Series: [1, -0, 1e300] };
    return { kind: "set_context", writes: [{ key: "x", value }] };
  }
}

/**
 * A concurrent session of random events whose attempts end in random order, by random answers, by their
 * deadlines, or never; some answer when they have been given up.
 */
export async function randomConcurrentSession(
  random: Random,
  { journal }: { journal?: CaptureJournal } = {},
): Promise<CaptureBundle> {
  const timers = new ManualTimers();
  const open: ((answer: RunTermination | RunAnswer) => void)[] = [];
  const session = newSession({
    mode: "concurrent",
    ...(journal && { journal }),
    constraints: randomConstraints(random),
    timers,
    deadlineGraceMs: 1000 * random.below(3),
    invoker: {
      run: () => {
        if (random.chance(0.2)) return randomAnswer(random);
        const { promise, resolve } = Promise.withResolvers<RunTermination | RunAnswer>();
        open.push(resolve);
        return promise;
      },
    },
    ...randomBounds(random),
  });
  const steps = random.below(60);
  for (let step = 0; step < steps; step++) {
    const choice = random.next();
    if (choice < 0.4) {
      const secs = Math.max(0, timers.now().secs + random.below(5) - 2);
      await session.onEvent(randomEvent(random, { id: `e${step}`, secs, saysRetry: true }));
    } else if (choice < 0.8 && open.length > 0) {
      const [answer] = open.splice(random.below(open.length), 1);
      answer!(randomAnswer(random));
    } else if (choice < 0.85) {
      await withdrawOne(random, session.supervisor);
    } else {
      timers.advance(at(random.below(4)));
    }
    for (let turn = random.below(4); turn > 0; turn--) await Promise.resolve();
  }
  await settle();
  return session.intoBundle();
}

/** Lets everything go on that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
