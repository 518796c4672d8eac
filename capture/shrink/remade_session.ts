import { ZERO } from "../../_internal/event_time.ts";
import type {
  DecisionLogEntry,
  EventTime,
  RunRequest,
  RunTermination,
  SupervisorOptions,
} from "../../supervisor/types.ts";
import { recordDecision } from "../bundle/records.ts";
import { freshSupervisor, UNKNOWN } from "../replay/replay_run.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type { DecisionRecord } from "../types.ts";
import type { AnyDecision, RecordedEnd, RecordedSession } from "./recorded_session.ts";

/** What a supervisor decided on an input. */
export interface MadeDecision {
  readonly record: DecisionRecord;
  /** The event that its episode was made for, by its place in the recording. */
  readonly origin: number | undefined;
  /** The number that the next episode would have had before. */
  readonly nextEpisode: number;
  /** How many episodes had started before. */
  readonly started: number;
}

/** An episode was started. */
export interface Start {
  /** The event that it was made for, by its place in the recording. */
  readonly origin: number;
  readonly at: EventTime;
}

/** An input that was taken once more. */
export interface RemadeInput {
  /** Its place in the recording. */
  readonly place: number;
  /** What is recorded to have been decided on it, and what is now. */
  readonly recorded: AnyDecision;
  readonly made: MadeDecision;
  /** In a serial session how the attempts ended that it led to; undefined what is not recorded. */
  readonly ends: readonly (RecordedEnd | undefined)[];
}

/** How inputs are taken once more. */
interface RemadeSessionOptions {
  createSupervisor: (options: SupervisorOptions) => CapturableSupervisor;
  /** What became of all inputs together, unless this is that. */
  whole?: RemadeSession;
}

/**
 * What a fresh supervisor makes of some of the inputs of a recording, in their order. What follows from an input
 * that is left out is left out too: the end of an attempt that is not begun, the withdrawal of what does not wait.
 *
 * Episodes are known by their events, since with fewer inputs they have other numbers.
 */
export class RemadeSession {
  readonly inputs: RemadeInput[] = [];
  /** The episodes that were started, in order. */
  readonly starts: Start[] = [];
  /** The Pumps that found the episode waiting that they are recorded to have been about. */
  readonly fittingPumps = new Set<number>();
  readonly #fittingPumps: ReadonlySet<number>;
  readonly #session: RecordedSession;
  readonly #supervisor: CapturableSupervisor;
  /** The episode of each event, and the event of each episode. */
  readonly #episodes = new Map<number, number>();
  readonly #origins = new Map<number, number>();
  /** The attempts in flight, by episode. */
  readonly #inFlight = new Map<number, number>();
  readonly #deferred = new Set<number>();
  /** The event that is being handed over; undefined for a Pump. */
  #handedOver: number | undefined;
  #record: DecisionRecord | undefined;
  #ends: (RecordedEnd | undefined)[] = [];
  #nextEpisode = 0;
  #now: EventTime = ZERO;

  /** Takes those of the inputs whose places are given; `whole`: what became of all of them. */
  static async of(
    session: RecordedSession,
    places: readonly number[],
    options: RemadeSessionOptions,
  ): Promise<RemadeSession> {
    const remade = new RemadeSession(session, options);
    for (const place of places) await remade.#take(place);
    return remade;
  }

  private constructor(
    session: RecordedSession,
    { createSupervisor, whole }: RemadeSessionOptions,
  ) {
    this.#session = session;
    this.#fittingPumps = whole?.fittingPumps ?? new Set();
    this.#supervisor = freshSupervisor(session.bundle, {
      createSupervisor,
      decisionLog: { log: (entry) => this.#takeDecision(entry) },
      invoker: { run: (request) => this.#begin(request) },
      // Deadlines do not pass by themselves: that they have passed is among the inputs.
      timers: { now: () => this.#now, setTimer: () => () => {} },
    });
  }

  async #take(place: number): Promise<void> {
    const { record, event, origin } = this.#session.inputs[place]!;
    const before = { nextEpisode: this.#nextEpisode, started: this.starts.length };
    const episodeId = origin === undefined ? undefined : this.#episodes.get(origin);
    const isWaiting = episodeId !== undefined && this.#deferred.has(episodeId);
    if (event !== undefined) {
      if (isWaiting) this.fittingPumps.add(place);
      // It would only send another episode to the end of the queue.
      else if (this.#fittingPumps.has(place)) return;
      this.#now = event.at;
      this.#handedOver = event.kind === "Pump" ? undefined : place;
      await this.#supervisor.onEvent(event);
      this.#add(place, before);
      return;
    }
    if (episodeId === undefined) return;
    this.#now = record.at;
    if (record.type === "withdraw") {
      if (!isWaiting) return;
      await this.#supervisor.withdraw({ episodeId, at: record.at });
    } else {
      const { attempt, termination, at } = record;
      if (this.#inFlight.get(episodeId) !== attempt) return;
      this.#inFlight.delete(episodeId);
      await this.#supervisor.complete({ episodeId, attempt, termination, at });
    }
    this.#add(place, before);
  }

  #add(place: number, before: Pick<MadeDecision, "nextEpisode" | "started">): void {
    const record = this.#record!;
    const made = { ...before, record, origin: this.#origins.get(record.episode_id) };
    const recorded = this.#session.inputs[place]!.decision!;
    this.inputs.push({ place, recorded, made, ends: this.#ends });
    this.#ends = [];
  }

  #begin({ episodeId, attempt }: RunRequest): RunTermination | Promise<RunTermination> {
    if (this.#session.isConcurrent) {
      this.#inFlight.set(episodeId, attempt);
      return new Promise(() => {});
    }
    // A serial decision comes when its run is over, so the event is not yet known by its episode.
    const origin = this.#origins.get(episodeId) ?? this.#handedOver!;
    const end = this.#session.endOf(origin, attempt);
    this.#ends.push(end);
    return end?.termination ?? UNKNOWN;
  }

  #takeDecision(entry: DecisionLogEntry): void {
    const { decision, reason, numbers, episode_id: episodeId } = this.#record = recordDecision(
      entry,
    );
    this.#nextEpisode = Math.max(this.#nextEpisode, episodeId + 1);
    if (this.#handedOver !== undefined && !this.#origins.has(episodeId)) {
      this.#origins.set(episodeId, this.#handedOver);
      this.#episodes.set(this.#handedOver, episodeId);
    }
    this.#handedOver = undefined;
    // A serial decision says how the run ended that it was made to start.
    if (reason === "admitted" || reason === "due" || this.#ends.length > 0) {
      this.starts.push({ origin: this.#origins.get(episodeId)!, at: numbers.now });
    }
    if (decision === "Defer") this.#deferred.add(episodeId);
    else this.#deferred.delete(episodeId);
  }
}
