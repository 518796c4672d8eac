import { readRules } from "../../supervisor/core/rules.ts";
import { SupervisorCore } from "../../supervisor/core/supervisor_core.ts";
import {
  type ConstraintsInit,
  createEvent,
  type EventTime,
  type ExternalEvent,
} from "../../supervisor/mod.ts";
import { type Case, measureRounds, timeEach } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 41;
const DECISIONS = 100_000;
const WINDOW_SECS = 1;
const ORIGIN: EventTime = { secs: 0, nanos: 0 };

const FREE = "an event without limits, and its completion";
const BACKLOG_100 = "100 deferred: a Pump that starts one, an event that is deferred";
const BACKLOG_50000 = "50,000 deferred: the same";
const IDLE_100 = "100 deferred: a Pump that finds nothing due";
const IDLE_100000 = "100,000 deferred: the same";

const template = createEvent({ id: "e", kind: "Command", at: ORIGIN });

function eventAt(secs: number, nanos: number, kind: ExternalEvent["kind"] = "Command") {
  return { ...template, kind, at: { secs, nanos } };
}

/** Takes an event, and the completion of the run that it leads to. */
function take(core: SupervisorCore, event: ExternalEvent): void {
  const [started] = core.step({ type: "event", event }).invocations;
  if (started === undefined) return;
  const { episodeId, attempt } = started;
  core.step({
    type: "completion",
    episode_id: episodeId,
    attempt,
    termination: "Completed",
    at: ORIGIN,
  });
}

/** A core that one start a window has left with a queue. */
function coreWithDeferred(count: number): SupervisorCore {
  const constraints: ConstraintsInit = {
    max_per_window: 1,
    rate_window: { secs: WINDOW_SECS, nanos: 0 },
    max_retries: 0,
  };
  const core = new SupervisorCore(readRules({ graphId: "g", constraints }));
  for (let index = 0; index <= count; index++) take(core, eventAt(0, index));
  return core;
}

function expectDeferred(core: SupervisorCore, count: number): void {
  if (core.deferredCount === count) return;
  throw new Error(`${core.deferredCount} episodes are deferred and not ${count}`);
}

/** Every second a Pump starts the first episode, and an event takes the last place. */
function backlogCase(name: string, deferred: number): Case {
  return {
    name,
    run() {
      const core = coreWithDeferred(deferred);
      const microseconds = timeEach(DECISIONS / 2, (index) => {
        const secs = (index + 1) * WINDOW_SECS;
        take(core, eventAt(secs, 500_000_000, "Pump"));
        take(core, eventAt(secs, 600_000_000));
      });
      expectDeferred(core, deferred);
      return microseconds / 2;
    },
  };
}

function idleCase(name: string, deferred: number): Case {
  const pump = createEvent({ id: "p", kind: "Pump", at: { secs: 0, nanos: 999_999 } });
  return {
    name,
    run() {
      const core = coreWithDeferred(deferred);
      const microseconds = timeEach(DECISIONS, () => take(core, pump));
      expectDeferred(core, deferred);
      return microseconds;
    },
  };
}

const freeCase: Case = {
  name: FREE,
  run() {
    const core = new SupervisorCore(readRules({ graphId: "g", constraints: { max_retries: 0 } }));
    return timeEach(DECISIONS, () => take(core, template));
  },
};

const cases: Case[] = [
  freeCase,
  backlogCase(BACKLOG_100, 100),
  backlogCase(BACKLOG_50000, 50_000),
  idleCase(IDLE_100, 100),
  idleCase(IDLE_100000, 100_000),
];

/** What a decision costs in the core, whatever the queue. */
export const decide: Topic = {
  name: "decide",
  title: "decisions of the supervisor's core, on one processor",
  async measure() {
    const rounds = await measureRounds(cases, ROUNDS);
    const cost = (name: string) => ({
      what: `µs for a decision: ${name}`,
      spread: rounds.of(name),
      atMost: 1,
    });
    return {
      operation: "a decision",
      rounds,
      ratios: [
        cost(FREE),
        cost(BACKLOG_100),
        cost(BACKLOG_50000),
        ratioOf(rounds, { of: BACKLOG_50000, to: BACKLOG_100 }, { atMost: 2 }),
        ratioOf(rounds, { of: IDLE_100000, to: IDLE_100 }, { atMost: 2 }),
      ],
    };
  },
};
