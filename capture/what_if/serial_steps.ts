import { durationBetween, laterOf, ZERO } from "../../_internal/event_time.ts";
import type {
  Constraints,
  DecisionLogEntry,
  Duration,
  EventTime,
  RunRequest,
  RunTermination,
} from "../../supervisor/types.ts";
import { eventsOf } from "../bundle/validate_bundle.ts";
import { rehydrate, TRIED_AGAIN } from "../replay/replay_run.ts";
import type { CaptureBundle } from "../types.ts";
import type { Step } from "./attempt_view.ts";
import { isSameDeadline } from "./recorded_work.ts";
import type { UnknownAttempt, WhatIfOptions } from "./types.ts";

/** How the attempts of one event ended, and how long they could have taken. */
interface SerialEvent {
  readonly id: string;
  readonly answers: RunTermination[];
  deadline: Duration | null;
}

/**
 * What a serial session decides with these limits: the events come when they came, Pumps too, and attempts
 * end as they ended. How long they take is not recorded, and nothing depends on it.
 */
export async function serialSteps(
  bundle: CaptureBundle,
  { constraints, createSupervisor }:
    & Pick<WhatIfOptions, "createSupervisor">
    & { constraints: Constraints },
): Promise<{ steps: Step[]; events: readonly { id: string }[]; unknown: UnknownAttempt[] }> {
  const session = new SerialSession(bundle);
  const supervisor = createSupervisor({
    graphId: bundle.graph_id,
    constraints,
    decisionLog: { log: (entry) => session.take(entry) },
    invoker: { run: (request) => session.answer(request) },
    ...("inputs" in bundle && { maxDeferred: bundle.max_deferred, backoff: bundle.backoff }),
  });
  for (const input of "inputs" in bundle ? bundle.inputs : eventsOf(bundle)) {
    if (!("type" in input) || input.type === "event") {
      const event = rehydrate(input);
      session.handOver(event.kind === "Pump" ? undefined : event.id, event.at);
      await supervisor.onEvent(event);
    } else if (input.type === "withdraw") {
      const episodeId = session.deferredAs(input.episode_id);
      if (episodeId !== undefined) await supervisor.withdraw({ episodeId, at: input.at });
    }
  }
  return session;
}

/** The recorded session by its events: with other limits, its episodes have other numbers. */
class SerialSession {
  readonly steps: Step[] = [];
  readonly unknown: UnknownAttempt[] = [];
  readonly events: SerialEvent[] = [];
  readonly #recordedEpisodes = new Map<number, number>();
  readonly #byEpisode = new Map<number, number>();
  readonly #deferred = new Set<number>();
  /** The answers of the run that is under way. */
  #answers: RunTermination[] = [];
  #handedOver = -1;
  #isPump = false;
  #began: EventTime | undefined;
  #now: EventTime = ZERO;

  constructor(bundle: CaptureBundle) {
    const inputs = "inputs" in bundle
      ? bundle.inputs.filter(({ type }) => type !== "completion")
      : eventsOf(bundle);
    for (const [index, decision] of bundle.decisions.entries()) {
      const input = inputs[index]!;
      const { episode_id: episodeId, retry_count: retries, termination, deadline } = decision;
      if ("event_id" in input && input.kind !== "Pump") {
        const event = { id: input.event_id, answers: [], deadline };
        this.#recordedEpisodes.set(episodeId, this.events.push(event) - 1);
      }
      const event = this.events[this.#recordedEpisodes.get(episodeId) ?? -1];
      if (event === undefined || "inputs" in bundle || termination === null) continue;
      event.answers.push(...Array.from({ length: retries }, () => TRIED_AGAIN), termination);
    }
    for (const input of "inputs" in bundle ? bundle.inputs : []) {
      if (input.type !== "completion") continue;
      const event = this.#recordedEpisodes.get(input.episode_id);
      if (event !== undefined) this.events[event]!.answers.push(input.termination);
    }
  }

  /** The next event comes; a Pump has no id here. */
  handOver(id: string | undefined, at: EventTime): void {
    this.#isPump = id === undefined;
    if (!this.#isPump) this.#handedOver++;
    this.#now = laterOf(this.#now, at);
    this.#began ??= this.#now;
  }

  /** The episode that a recorded one is now, if it waits. */
  deferredAs(recordedEpisode: number): number | undefined {
    const event = this.#recordedEpisodes.get(recordedEpisode);
    return this.#deferred.values().find((episode) => this.#byEpisode.get(episode) === event);
  }

  answer({ episodeId, attempt, deadline }: RunRequest): RunTermination {
    const event = this.events[this.#byEpisode.get(episodeId) ?? this.#handedOver]!;
    const answer = event.answers[attempt - 1];
    const why = answer === undefined
      ? "never-made"
      : isSameDeadline(deadline ?? null, event.deadline)
      ? undefined
      : "no-length";
    if (why !== undefined) this.unknown.push({ eventId: event.id, attempt, why });
    this.#answers.push(answer ?? "Aborted");
    return answer ?? "Aborted";
  }

  take(entry: DecisionLogEntry): void {
    const { decision, reason, episode_id: episodeId } = entry;
    if (!this.#isPump && entry.originEventId !== null && !this.#byEpisode.has(episodeId)) {
      this.#byEpisode.set(episodeId, this.#handedOver);
    }
    const event = this.#byEpisode.get(episodeId);
    const answers = this.#answers.splice(0);
    // A Pump that found nothing due is about no event.
    if (event === undefined) return;
    if (decision === "Defer") this.#deferred.add(episodeId);
    else this.#deferred.delete(episodeId);
    const about = { event, at: durationBetween(this.#began!, this.#now), isTimed: false };
    if (answers.length === 0) {
      this.steps.push({ ...about, decision, reason, answer: null });
      return;
    }
    const began = decision === "Invoke" ? reason : null;
    this.steps.push({ ...about, decision: "Invoke", reason: began, answer: null });
    for (const answer of answers.slice(0, -1)) {
      this.steps.push({ ...about, decision: "Invoke", reason: "retry", answer });
    }
    const isOver = decision === "Invoke";
    this.steps.push({
      ...about,
      decision: isOver ? "Finish" : decision,
      reason: isOver ? null : reason,
      answer: answers.at(-1)!,
    });
  }
}
