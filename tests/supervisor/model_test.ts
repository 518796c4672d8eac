import { assert, assertEquals } from "@std/assert";
import { addDuration, compareTimes } from "../../_internal/event_time.ts";
import { readRules } from "../../supervisor/core/rules.ts";
import { readState, writeState } from "../../supervisor/core/saved_state.ts";
import { SupervisorCore } from "../../supervisor/core/supervisor_core.ts";
import {
  createEvent,
  type DecisionReason,
  type EventTime,
  type SupervisorInput,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { Model } from "./_model.ts";
import { randomAnswer, RandomEvents, randomRules } from "./_sessions.ts";

/** Properties of the core: it agrees with a slow model, and its state can be taken at any point. */

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
const INPUTS = 60;
const FAR = { secs: 10_000, nanos: 0 };
const REASONS: readonly DecisionReason[] = [
  "admitted",
  "backoff",
  "completed",
  "due",
  "not_retryable",
  "nothing_due",
  "queue_full",
  "rate_limited",
  "retries_exhausted",
  "retry",
  "saturated",
  "withdrawn",
];

/** Runs a property on random sessions, and names the one that fails. */
function forSessions(count: number, property: (random: Random, mode: SupervisorMode) => void) {
  for (const [index, mode] of MODES.entries()) {
    for (let session = 0; session < count; session++) {
      try {
        property(new Random(mixSeeds(seed(), index, session)), mode);
      } catch (error) {
        throw new Error(`session ${session} in ${mode} mode, TAFFRAIL_SEED=${seed()}`, {
          cause: error,
        });
      }
    }
  }
}

/** The next input: the end of something that runs, a withdrawal of something that waits, or an event. */
function nextInput(
  random: Random,
  { events, model, mode }: { events: RandomEvents; model: Model; mode: SupervisorMode },
): SupervisorInput {
  const isSerial = mode === "serial";
  if (model.running.length === 0 || (!isSerial && random.chance(0.6))) {
    if (model.waiting.length === 0 || random.chance(0.8)) {
      return { type: "event", event: events.next() };
    }
    return { type: "withdraw", episode_id: random.pick(model.waiting), at: events.time() };
  }
  const { episode, attempt } = random.pick(model.running);
  const termination = randomAnswer(random);
  return { type: "completion", episode_id: episode, attempt, termination, at: events.time() };
}

Deno.test("SCH, INV the core agrees with a slow model of the rules, in both modes", () => {
  const reasons = new Set<DecisionReason>();
  forSessions(longCount(300, 5_000), (random, mode) => {
    const rules = randomRules(random, mode);
    const core = new SupervisorCore(readRules(rules));
    const model = new Model(rules);
    const events = new RandomEvents(random);
    for (let count = 0; count < INPUTS; count++) {
      const input = nextInput(random, { events, model, mode });
      const isOpen = mode === "concurrent" || model.running.length === 0;
      const explained = input.type === "event" && isOpen ? core.explain(input.event) : undefined;
      const { decisions, invocations } = core.step(input);
      const { entry, start } = model.take(input);
      assertEquals(decisions, entry === undefined ? [] : [entry]);
      assertEquals(
        invocations.map(({ episodeId, attempt, origin }) => [episodeId, attempt, origin]),
        start === undefined ? [] : [[start.episode, start.attempt, start.origin]],
      );
      if (explained !== undefined) assertEquals(explained, entry ?? start?.entry);
      if (entry !== undefined) reasons.add(entry.reason);
    }
  });
  assertEquals([...reasons].sort(), REASONS);
});

Deno.test("toJSON and from at any point change nothing", () => {
  forSessions(longCount(300, 5_000), (random, mode) => {
    const rules = randomRules(random, mode);
    const original = new SupervisorCore(readRules(rules));
    let copy = new SupervisorCore(readRules(rules));
    const model = new Model(rules);
    const events = new RandomEvents(random);
    for (let count = 0; count < INPUTS; count++) {
      if (random.chance(0.1)) {
        const text = JSON.stringify(writeState(copy));
        assertEquals(text, JSON.stringify(writeState(original)));
        const { rules: readBack, state } = readState(JSON.parse(text));
        copy = new SupervisorCore(readBack);
        copy.restore(state);
      }
      const input = nextInput(random, { events, model, mode });
      model.take(input);
      const { decisions, invocations } = original.step(input);
      const again = copy.step(input);
      assertEquals(again.decisions, decisions);
      assertEquals(again.invocations, invocations);
    }
  });
});

Deno.test("nextPumpAt is the first time at which a Pump starts something", () => {
  let found = 0;
  forSessions(longCount(300, 5_000), (random, mode) => {
    const rules = randomRules(random, mode);
    const core = new SupervisorCore(readRules(rules));
    const model = new Model(rules);
    const events = new RandomEvents(random);
    const starts = (at: EventTime) =>
      core.explain(createEvent({ id: "p", kind: "Pump", at })).decision === "Invoke";
    for (let count = 0; count < INPUTS; count++) {
      const input = nextInput(random, { events, model, mode });
      core.step(input);
      model.take(input);
      if (core.isOccupied) continue;
      const now = events.time();
      const at = core.nextPumpAt(now);
      if (at === null) {
        assert(![now, core.clock, addDuration(now, FAR)].some(starts));
        continue;
      }
      found++;
      assert(compareTimes(at, now) >= 0 && starts(at));
      if (compareTimes(at, now) > 0) assert(!starts(justBefore(at)));
    }
  });
  assert(found > 100);
});

function justBefore({ secs, nanos }: EventTime): EventTime {
  return nanos > 0 ? { secs, nanos: nanos - 1 } : { secs: secs - 1, nanos: 999_999_999 };
}
