/**
 * What would have happened: the recorded work, as a supervisor with other limits would let it go.
 *
 * What is always true:
 * - Nothing is invented: an attempt takes as long as it took and ends as it did. What has no end in the
 *   recording has none here, keeps its place, and is named.
 * - There is no clock and no chance: of what is due at the same time, what was recorded first comes first,
 *   so that the same recording gives the same answer, and with the recorded limits the recorded one.
 * - What came from outside comes when it came: events that waited for no other, and interruptions. What
 *   followed from an end follows it, as soon after it as it did.
 * - Each sitting begins when it began, or when all that is known of the one before is over. The pauses
 *   between them are no work.
 */
import {
  addDuration,
  compareTimes,
  durationBetween,
  laterOf,
  ZERO,
} from "../../_internal/event_time.ts";
import type {
  Constraints,
  DecisionLogEntry,
  Duration,
  EventTime,
  ExternalEvent,
  RunRequest,
  RunTermination,
} from "../../supervisor/types.ts";
import { attemptId, recordDecision } from "../bundle/records.ts";
import type { TaffrailCaptureBundle } from "../types.ts";
import { Agenda } from "./agenda.ts";
import type { Step } from "./attempt_view.ts";
import {
  outcomeOf,
  type RecordedEvent,
  type RecordedWork,
  type Sitting,
  stepOf,
  timeWorked,
} from "./recorded_work.ts";
import type { UnknownAttempt, WhatIfOptions, WhatIfSupervisor } from "./types.ts";

/** What would have happened. */
export interface Simulated {
  readonly steps: readonly Step[];
  readonly sittings: readonly Sitting[];
  readonly unknown: readonly UnknownAttempt[];
  /** How long the attempts had run that were ended from outside. */
  readonly cutOffs: ReadonlyMap<string, Duration>;
}

/** The limits and the program, and what was cut off with the limits of the recording, where it was others. */
interface SimulationOptions extends Omit<WhatIfOptions, "constraints"> {
  constraints: Constraints;
  cutOffs?: ReadonlyMap<string, Duration>;
}

interface OpenAttempt {
  readonly event: number;
  readonly attempt: number;
  readonly episodeId: number;
  readonly began: EventTime;
  /** Why its end is not known; undefined when it is due. */
  readonly why: UnknownAttempt["why"] | undefined;
}

/** What would have become of an event. */
interface Course {
  episodeId?: number;
  /** How many attempts were begun. */
  made: number;
  /** Why it is not handed over: something it needs has failed, or the work was given up. */
  isDropped?: true;
  over?: { at: EventTime; termination: RunTermination | null };
}

type Due =
  & { readonly at: EventTime; readonly place: number }
  & (
    | { readonly what: "event" | "withdrawal"; readonly event: number }
    | { readonly what: "end"; readonly open: OpenAttempt; readonly termination: RunTermination }
  );

/** Lets the recorded work go as a supervisor with these limits would. */
export async function simulate(
  bundle: TaffrailCaptureBundle,
  work: RecordedWork,
  options: SimulationOptions,
): Promise<Simulated> {
  return await new Simulation(bundle, work, options).run();
}

class Simulation {
  readonly #work: RecordedWork;
  readonly #options: Omit<SimulationOptions, "constraints">;
  readonly #supervisor: WhatIfSupervisor;
  readonly #agenda = new Agenda<Due>();
  readonly #courses: Course[];
  /** By event, those that it has to be over for. */
  readonly #dependents = new Map<number, number[]>();
  readonly #byEpisode = new Map<number, number>();
  readonly #deferred = new Set<number>();
  readonly #open = new Map<number, OpenAttempt>();
  readonly #steps: Step[] = [];
  readonly #sittings: Sitting[] = [];
  readonly #unknown: UnknownAttempt[] = [];
  readonly #cutOffs = new Map<string, Duration>();
  /** What is over since the last input. */
  readonly #justOver: number[] = [];
  #handedOver: number | undefined;
  #pumps = 0;
  #now: EventTime = ZERO;
  /** Something failed after which nothing more is begun. */
  #isStopped = false;

  constructor(
    { graph_id: graphId, mode, max_deferred: maxDeferred, backoff }: TaffrailCaptureBundle,
    work: RecordedWork,
    { constraints, ...options }: SimulationOptions,
  ) {
    this.#work = work;
    this.#options = options;
    this.#courses = work.events.map(() => ({ made: 0 }));
    for (const [index, { needs }] of work.events.entries()) {
      for (const need of needs) {
        const dependents = this.#dependents.get(need);
        if (dependents === undefined) this.#dependents.set(need, [index]);
        else dependents.push(index);
      }
    }
    this.#supervisor = options.createSupervisor({
      graphId,
      constraints,
      mode,
      maxDeferred,
      backoff,
      decisionLog: { log: (entry) => this.#take(entry) },
      invoker: {
        run: (request) => {
          this.#begin(request);
          return new Promise(() => {});
        },
      },
      // That a deadline has passed is one of the things that are due.
      timers: { now: () => this.#now, setTimer: () => () => {} },
    });
  }

  async run(): Promise<Simulated> {
    const { sittings } = this.#work;
    for (const [number, sitting] of sittings.entries()) {
      const began = laterOf(sitting.began, this.#now);
      this.#now = began;
      this.#sittings.push({ began, ended: began });
      this.#isStopped = false;
      if (number > 0) await this.#interrupt(number);
      this.#plan(number);
      while (await this.#goOn());
      if (number === sittings.length - 1) await this.#endLast(number);
    }
    this.#nameUnknown();
    return {
      steps: this.#steps,
      sittings: this.#sittings,
      unknown: this.#unknown,
      cutOffs: this.#cutOffs,
    };
  }

  /** What was cut off by the end of the sitting before, and what was withdrawn for that. */
  async #interrupt(number: number): Promise<void> {
    await this.#withdraw((event) => event.withdrawn?.sitting === number && event.sitting < number);
    for (const open of [...this.#open.values()]) await this.#cutOff(open);
  }

  /** The work was ended from outside, or by a failure: when it was, or when the rest is over. */
  async #endLast(number: number): Promise<void> {
    if (this.#options.dependsOn !== undefined) {
      await this.#withdraw(({ withdrawn }) => withdrawn?.sitting === number);
    }
    for (const open of [...this.#open.values()]) {
      if (open.why !== "cut-off") continue;
      const { end } = this.#work.events[open.event]!.attempts[open.attempt - 1]!;
      this.#passTime(laterOf(this.#now, this.#shifted(end!.at)));
      await this.#cutOff(open);
    }
  }

  /** Events that wait for nothing come when they came, the others when what they wait for is over. */
  #plan(number: number): void {
    const { events } = this.#work;
    const due: Due[] = [];
    for (const [event, { sitting, needs, at, place, withdrawn }] of events.entries()) {
      if (sitting === number && needs.length === 0) {
        due.push({ what: "event", event, at: this.#shifted(at), place });
      } else if (sitting === number) this.#askAfterNeeds(event);
      if (withdrawn?.sitting !== number || this.#options.dependsOn !== undefined) continue;
      const { at: withdrawnAt, place: withdrawnBy } = withdrawn;
      due.push({
        what: "withdrawal",
        event,
        at: this.#shifted(withdrawnAt),
        place: withdrawnBy,
      });
    }
    this.#agenda.addAll(due);
  }

  /** When something of this sitting would be, that was at this time. */
  #shifted(at: EventTime): EventTime {
    const recorded = this.#work.sittings[this.#sittings.length - 1]!;
    return addDuration(this.#sittings.at(-1)!.began, durationBetween(recorded.began, at));
  }

  /** Does the next thing; false when there is none. A Pump is sent as soon as it starts something. */
  async #goOn(): Promise<boolean> {
    const due = this.#agenda.next;
    const pumpAt = this.#supervisor.nextPumpAt(this.#now);
    const isPump = pumpAt !== null &&
      (due === undefined || compareTimes(pumpAt, this.#now) <= 0 ||
        compareTimes(pumpAt, due.at) < 0);
    if (isPump) {
      this.#passTime(pumpAt);
      await this.#supervisor.onEvent(pumpOf(this.#pumps++, this.#now));
    } else if (due === undefined) return false;
    else {
      this.#agenda.take();
      await this.#handle(due);
    }
    await this.#settle();
    return true;
  }

  async #handle(due: Due): Promise<void> {
    if (due.what === "withdrawal") {
      if (!this.#deferred.has(due.event)) return;
      this.#passTime(due.at);
      return await this.#withdrawOne(due.event);
    }
    if (due.what === "end") {
      if (this.#open.get(due.open.episodeId) !== due.open) return;
      this.#passTime(due.at);
      return await this.#complete(due.open, due.termination);
    }
    const { event } = this.#work.events[due.event]!;
    if (this.#isGivenUp(event)) {
      this.#courses[due.event]!.isDropped = true;
      return;
    }
    this.#passTime(due.at);
    this.#handedOver = due.event;
    await this.#supervisor.onEvent(Object.freeze({ ...event, at: this.#now }));
  }

  #passTime(at: EventTime): void {
    this.#now = this.#sittings.at(-1)!.ended = laterOf(this.#now, at);
  }

  /** What follows from what is over. */
  async #settle(): Promise<void> {
    for (let over = this.#justOver.shift(); over !== undefined; over = this.#justOver.shift()) {
      for (const dependent of this.#dependents.get(over) ?? []) {
        const { sitting } = this.#work.events[dependent]!;
        if (sitting === this.#sittings.length - 1) this.#askAfterNeeds(dependent);
      }
      const { termination } = this.#courses[over]!.over!;
      if (isFailure(termination) && this.#consequenceOf(over) === "stop") await this.#stop();
    }
  }

  #consequenceOf(index: number): "go-on" | "block" | "stop" {
    return this.#options.onFailure?.(this.#work.events[index]!.event.id) ?? "block";
  }

  #isGivenUp({ id }: ExternalEvent): boolean {
    return this.#isStopped && this.#options.runsAlways?.(id) !== true;
  }

  /** Nothing more is begun: what waits is withdrawn, and what was cut off is so now. */
  async #stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#withdraw(({ event }) => this.#isGivenUp(event));
    for (const open of [...this.#open.values()]) {
      if (open.why === "cut-off") await this.#cutOff(open);
    }
  }

  /** Hands an event over when all that it waits for is over, as soon after it as it was. */
  #askAfterNeeds(index: number): void {
    const { needs, event, at, place, sitting } = this.#work.events[index]!;
    const course = this.#courses[index]!;
    let [recorded, now] = [this.#work.sittings[sitting]!.began, this.#sittings.at(-1)!.began];
    for (const need of needs) {
      const { over } = this.#courses[need]!;
      const before = this.#work.events[need]!.over!;
      if (over === undefined) return;
      const isOtherwise = before.termination === "Completed" && over.termination !== "Completed" &&
        this.#consequenceOf(need) !== "go-on" && this.#options.runsAlways?.(event.id) !== true;
      if (isOtherwise) {
        // What was only cut off would have been asked for again, as nobody has recorded.
        if (isFailure(over.termination)) course.isDropped = true;
        return;
      }
      recorded = laterOf(recorded, before.at);
      now = laterOf(now, over.at);
    }
    const due = addDuration(now, durationBetween(recorded, at));
    this.#agenda.add({ what: "event", event: index, at: due, place });
  }

  async #withdraw(isMeant: (event: RecordedEvent) => boolean): Promise<void> {
    for (const index of [...this.#deferred]) {
      if (isMeant(this.#work.events[index]!)) await this.#withdrawOne(index);
    }
  }

  async #withdrawOne(index: number): Promise<void> {
    const { episodeId } = this.#courses[index]!;
    await this.#supervisor.withdraw({ episodeId: episodeId!, at: this.#now });
  }

  /** Ended from outside: had it run for longer than it did, it may have been over before. */
  async #cutOff(open: OpenAttempt): Promise<void> {
    const { event, attempt, began, why } = open;
    const key = attemptId(event, attempt);
    const ran = durationBetween(began, this.#now);
    this.#cutOffs.set(key, ran);
    const { cutOffs } = this.#options;
    const before = cutOffs?.get(key);
    const isKnown = why === "cut-off" &&
      (cutOffs === undefined || before !== undefined && compareTimes(ran, before) <= 0);
    if (!isKnown) this.#addUnknown(event, attempt, why ?? "cut-off");
    await this.#complete(open, "Aborted");
    await this.#settle();
  }

  async #complete(open: OpenAttempt, termination: RunTermination): Promise<void> {
    const { episodeId, attempt } = open;
    this.#open.delete(episodeId);
    await this.#supervisor.complete({ episodeId, attempt, termination, at: this.#now });
  }

  #take(entry: DecisionLogEntry): void {
    const record = recordDecision(entry);
    const { decision, episode_id: episodeId, termination } = record;
    if (this.#handedOver !== undefined) {
      this.#byEpisode.set(episodeId, this.#handedOver);
      this.#courses[this.#handedOver]!.episodeId = episodeId;
      this.#handedOver = undefined;
    }
    const event = this.#byEpisode.get(episodeId);
    if (event === undefined) return;
    this.#steps.push(stepOf(record, event, timeWorked(this.#sittings)));
    if (decision === "Defer") this.#deferred.add(event);
    else this.#deferred.delete(event);
    if (decision !== "Finish" && decision !== "Skip") return;
    this.#courses[event]!.over = { at: this.#now, termination };
    this.#justOver.push(event);
  }

  #begin({ episodeId, attempt, deadline: given }: RunRequest): void {
    const deadline = given ?? null;
    const event = this.#byEpisode.get(episodeId)!;
    this.#courses[event]!.made = attempt;
    const recorded = this.#work.events[event]!;
    const began = this.#now;
    const outcome = outcomeOf(recorded.attempts[attempt - 1], { now: began, deadline });
    const open = { event, attempt, episodeId, began };
    // Whatever is tried again after the work was given up ends before it is begun.
    const isGivenUp = this.#isGivenUp(recorded.event);
    if ("why" in outcome && !isGivenUp) {
      this.#open.set(episodeId, { ...open, why: outcome.why });
      return;
    }
    const due = { ...open, why: undefined };
    this.#open.set(episodeId, due);
    const { at, place, termination } = "why" in outcome || isGivenUp
      ? { at: began, place: -1, termination: "Aborted" } as const
      : outcome;
    this.#agenda.add({ what: "end", open: due, at, place, termination });
  }

  #addUnknown(event: number, attempt: number, why: UnknownAttempt["why"]): void {
    const { id: eventId } = this.#work.events[event]!.event;
    this.#unknown.push({ eventId, attempt, why });
  }

  /** What is left without an end that it had, or would have had. */
  #nameUnknown(): void {
    for (const { event, attempt, why } of this.#open.values()) {
      this.#addUnknown(event, attempt, why ?? "no-end");
    }
    for (const [event, { over, attempts, needs }] of this.#work.events.entries()) {
      const course = this.#courses[event]!;
      const isAsked = course.episodeId !== undefined;
      if (!isAsked && needs.some((need) => this.#courses[need]!.isDropped)) course.isDropped = true;
      if (!isAsked && !course.isDropped) this.#addUnknown(event, 1, "not-asked");
      // What was left waiting is left waiting.
      const wasLeft = over === undefined && attempts.every(({ end }) => end !== undefined);
      if (this.#deferred.has(event) && !wasLeft) this.#addUnknown(event, course.made + 1, "waits");
    }
  }
}

/** What has ended by itself, and not well: what was given up or cut off has not failed. */
function isFailure(termination: RunTermination | null): boolean {
  return termination !== null && termination !== "Completed" && termination !== "Aborted";
}

function pumpOf(number: number, at: EventTime): ExternalEvent {
  const payload = new Uint8Array();
  return Object.freeze({
    id: `what-if-pump-${number}`,
    kind: "Pump",
    at,
    payload,
    context: new Map(),
  });
}
