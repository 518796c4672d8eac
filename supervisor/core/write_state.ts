import type { EventState, ExternalEvent, SupervisorState } from "../types.ts";
import type { SupervisorCore } from "./supervisor_core.ts";

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

function writeEvent({ id, at, kind, payload }: ExternalEvent): EventState {
  return { event_id: id, event_time: at, kind, payload: [...payload] };
}
