import {
  checkArray,
  checkDuration,
  checkInteger,
  checkKeys,
  checkObject,
  checkOneOf,
  checkString,
  describe,
  orNull,
} from "../../_internal/errors.ts";
import { compareTimes } from "../../_internal/event_time.ts";
import { MODES, START_REASONS } from "../../_internal/wire_names.ts";
import type { EventState, SupervisorState } from "../state.ts";
import type { DecisionNumbers, EventRetry, EventTime, ExternalEvent } from "../types.ts";
import { createEvent } from "./create_event.ts";
import type { DeferredEpisode } from "./deferred_queue.ts";
import { readRules, type Rules } from "./rules.ts";
import type { Attempt, CoreState, SupervisorCore } from "./supervisor_core.ts";

const FIELDS = [
  "format",
  "graph_id",
  "mode",
  "constraints",
  "max_deferred",
  "backoff",
  "inputs",
  "next_episode_id",
  "clock",
  "recent",
  "deferred",
  "in_flight",
];

const EVENT_FIELDS = ["event_id", "event_time", "kind", "payload", "first_attempt", "retry"];

/** Rules and state from their JSON. Everything is checked; errors name the field. */
export function readState(value: unknown): { rules: Rules; state: CoreState } {
  const fields = checkObject(value, "state");
  checkKeys(fields, "state", FIELDS);
  if (fields.format !== 1) {
    throw new TypeError(`Cannot use state.format: only 1 is known, got ${describe(fields.format)}`);
  }
  const rules = readRules({
    graphId: fields.graph_id,
    constraints: fields.constraints,
    // A caller's rules may leave it out; a state that does would go on by other rules than it had.
    mode: checkOneOf(fields.mode, "state.mode", MODES),
    maxDeferred: fields.max_deferred,
    backoff: fields.backoff,
  }, { isRecorded: true });
  const state: CoreState = {
    inputs: checkInteger(fields.inputs, "state.inputs"),
    nextEpisodeId: checkInteger(fields.next_episode_id, "state.next_episode_id"),
    clock: checkDuration(fields.clock, "state.clock"),
    recent: checkArray(fields.recent, "state.recent", checkDuration),
    deferred: checkArray(fields.deferred, "state.deferred", readDeferred),
    inFlight: checkArray(fields.in_flight, "state.in_flight", readInFlight),
  };
  checkOrder(state);
  checkEpisodes(state);
  if (rules.mode === "serial" && state.inFlight.length > 1) {
    throw new RangeError("Cannot use state.in_flight: serial runs do not overlap");
  }
  return { rules, state };
}

function readDeferred(value: unknown, name: string): DeferredEpisode {
  const fields = checkObject(value, name);
  checkKeys(fields, name, ["schedule_at", "episode_id", "event", "defer_count", "attempts"]);
  return {
    at: checkDuration(fields.schedule_at, `${name}.schedule_at`),
    episodeId: checkInteger(fields.episode_id, `${name}.episode_id`),
    origin: readEvent(fields.event, `${name}.event`),
    deferCount: checkInteger(fields.defer_count, `${name}.defer_count`),
    attempts: checkInteger(fields.attempts, `${name}.attempts`),
  };
}

function readInFlight(value: unknown, name: string): Attempt {
  const fields = checkObject(value, name);
  checkKeys(fields, name, ["episode_id", "attempt", "event", "pump", "reason", "numbers"]);
  const origin = readEvent(fields.event, `${name}.event`);
  return {
    episodeId: checkInteger(fields.episode_id, `${name}.episode_id`),
    attempt: checkInteger(fields.attempt, `${name}.attempt`),
    origin,
    trigger: orNull(fields.pump, `${name}.pump`, readEvent) ?? origin,
    reason: checkOneOf(fields.reason, `${name}.reason`, START_REASONS),
    numbers: readNumbers(fields.numbers, `${name}.numbers`),
  };
}

function readNumbers(value: unknown, name: string): DecisionNumbers {
  const fields = checkObject(value, name);
  const count = (key: string) => checkInteger(fields[key], `${name}.${key}`);
  const numbers: DecisionNumbers = {
    now: checkDuration(fields.now, `${name}.now`),
    in_flight: count("in_flight"),
    in_window: count("in_window"),
    deferred: count("deferred"),
    next_due: orNull(fields.next_due, `${name}.next_due`, checkDuration),
    defer_count: count("defer_count"),
    ...(fields.max_retries !== undefined && { max_retries: count("max_retries") }),
  };
  checkKeys(fields, name, Object.keys(numbers));
  return numbers;
}

function readEvent(value: unknown, name: string): ExternalEvent {
  const fields = checkObject(value, name);
  checkKeys(fields, name, EVENT_FIELDS);
  const { event_id, event_time, kind, payload, first_attempt: firstAttempt, retry } = fields;
  const bytes = checkArray(payload, `${name}.payload`, checkByte);
  return createEvent({
    id: checkString(event_id, `${name}.event_id`),
    kind: kind as ExternalEvent["kind"],
    at: event_time as EventTime,
    payload: Uint8Array.from(bytes),
    ...(firstAttempt !== undefined && { firstAttempt: firstAttempt as number }),
    ...(retry !== undefined && { retry: retry as EventRetry }),
  });
}

function checkByte(value: unknown, name: string): number {
  return checkInteger(value, name, 255);
}

function checkOrder({ recent, clock }: CoreState): void {
  [...recent, clock].reduce((before, time) => {
    if (compareTimes(before, time) <= 0) return time;
    throw new RangeError(
      "Cannot use state.recent: its times are out of order, or behind the clock",
    );
  });
}

function checkEpisodes({ deferred, inFlight, nextEpisodeId }: CoreState): void {
  const seen = new Set<number>();
  for (const { episodeId } of [...deferred, ...inFlight]) {
    if (seen.has(episodeId)) {
      throw new RangeError(`Cannot use state: episode ${episodeId} is in it twice`);
    }
    if (episodeId >= nextEpisodeId) {
      throw new RangeError(`Cannot use state: episode ${episodeId} is not before next_episode_id`);
    }
    seen.add(episodeId);
  }
}

/** A core's rules and state as JSON. The context of an event is left out: its payload has it. */
export function writeState(core: SupervisorCore): SupervisorState {
  const { graphId, mode, constraints, maxDeferred, backoff } = core.rules;
  const state = core.state();
  return {
    format: 1,
    graph_id: graphId,
    mode,
    constraints,
    max_deferred: maxDeferred,
    backoff,
    inputs: state.inputs,
    next_episode_id: state.nextEpisodeId,
    clock: state.clock,
    recent: [...state.recent],
    deferred: state.deferred.map(({ at, episodeId, origin, deferCount, attempts }) => ({
      schedule_at: at,
      episode_id: episodeId,
      event: writeEvent(origin),
      defer_count: deferCount,
      attempts,
    })),
    in_flight: state.inFlight.map(({ episodeId, attempt, origin, trigger, reason, numbers }) => ({
      episode_id: episodeId,
      attempt,
      event: writeEvent(origin),
      pump: trigger === origin ? null : writeEvent(trigger),
      reason,
      numbers,
    })),
  };
}

function writeEvent({ id, at, kind, payload, firstAttempt, retry }: ExternalEvent): EventState {
  return {
    event_id: id,
    event_time: at,
    kind,
    payload: [...payload],
    ...(firstAttempt !== undefined && { first_attempt: firstAttempt }),
    ...(retry !== undefined && { retry }),
  };
}
