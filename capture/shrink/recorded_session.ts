import type { ExternalEvent, RunTermination } from "../../supervisor/types.ts";
import { attemptId } from "../bundle/records.ts";
import { ShrinkError } from "../errors.ts";
import { rehydrate, TRIED_AGAIN } from "../replay/replay_run.ts";
import type {
  CaptureBundle,
  CompletionInputRecord,
  DecisionRecord,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  ResumedRecord,
  WithdrawInputRecord,
} from "../types.ts";

/** A decision of either format. */
export type AnyDecision = EpisodeInvocationRecord | DecisionRecord;

/** One input, and what is recorded of it. */
export type RecordedInput =
  & {
    /**
     * The event that its episode was made for, by its place among the inputs: of an event its own;
     * undefined for a Pump that found nothing due.
     */
    readonly origin: number | undefined;
    /** What was decided on it; undefined for the end of an attempt in a serial session. */
    readonly decision: AnyDecision | undefined;
  }
  & (
    | { readonly record: ExternalEventRecord | EventInputRecord; readonly event: ExternalEvent }
    | { readonly record: CompletionInputRecord | WithdrawInputRecord; readonly event?: never }
  );

/** An input of either format. */
export type AnyInput = RecordedInput["record"];

/** How an attempt ended in a serial session. */
export interface RecordedEnd {
  readonly termination: RunTermination;
  /** The input that says so, by its place; undefined in a `"v3"` bundle, which has no such inputs. */
  readonly place: number | undefined;
}

/** Somebody went on with the session. */
export interface RecordedResumption {
  /** How many inputs were recorded before. */
  readonly place: number;
  readonly note: ResumedRecord;
}

/** A recording by its inputs, each of which is known by its place among them. */
export class RecordedSession {
  readonly isConcurrent: boolean;
  readonly inputs: readonly RecordedInput[];
  readonly resumptions: readonly RecordedResumption[];
  readonly #originsOfEpisodes = new Map<number, number>();
  /** In a serial session how attempts ended, by origin and attempt. */
  readonly #ends = new Map<string, RecordedEnd>();

  constructor(readonly bundle: CaptureBundle) {
    this.isConcurrent = "inputs" in bundle && bundle.mode === "concurrent";
    const records: readonly AnyInput[] = "inputs" in bundle ? bundle.inputs : bundle.events;
    const count = records.filter((record) => this.#isDecided(record)).length;
    const { decisions } = bundle;
    if (count !== decisions.length) throw notDecided(count, decisions.length);
    const linesBefore: number[] = [];
    let decided = 0;
    this.inputs = records.map((record, place) => {
      const isDecided = this.#isDecided(record);
      // A serial decision is written behind the ends of the attempts that it led to.
      linesBefore.push(place + (isDecided ? decided : decided - 1));
      const decision = isDecided ? decisions[decided++] : undefined;
      return this.#inputOf(record, place, decision);
    });
    const notes = "inputs" in bundle ? bundle.notes ?? [] : [];
    this.resumptions = notes.flatMap(({ after, ...note }) => {
      if (note.type !== "resumed") return [];
      return [{ place: linesBefore.filter((lines) => lines < after).length, note }];
    });
  }

  /** The inputs that can be left out, by their places: serial attempts end when their event is decided on. */
  get places(): number[] {
    return this.inputs.flatMap(({ decision }, place) => decision === undefined ? [] : [place]);
  }

  /** The same, with all that is about one episode together, and in the order in which these began. */
  get episodes(): number[][] {
    const groups = Map.groupBy(this.places, (place) => this.inputs[place]!.origin ?? place);
    return [...groups.values()];
  }

  /** How an attempt ended in a serial session; undefined where that is not recorded. */
  endOf(origin: number, attempt: number): RecordedEnd | undefined {
    return this.#ends.get(attemptId(origin, attempt));
  }

  /** The ends of attempts that are recorded between an input of a serial session and its decision. */
  endsBehind(place: number): number[] {
    const ends: number[] = [];
    for (let next = place + 1; next < this.inputs.length; next++) {
      if (this.inputs[next]!.decision !== undefined) break;
      ends.push(next);
    }
    return ends;
  }

  #isDecided(record: AnyInput): boolean {
    return this.isConcurrent || !("type" in record) || record.type !== "completion";
  }

  #inputOf(record: AnyInput, place: number, decision: AnyDecision | undefined): RecordedInput {
    const isEvent = "event_id" in record;
    if (isEvent && record.kind !== "Pump") {
      this.#originsOfEpisodes.set(decision!.episode_id, place);
    }
    const episode = isEvent ? decision!.episode_id : record.episode_id;
    const origin = this.#originsOfEpisodes.get(episode);
    if (isEvent) {
      if (origin !== undefined) this.#addEndsOf(decision!, origin);
      return { record, event: rehydrate(record), origin, decision };
    }
    if (record.type === "completion" && origin !== undefined) {
      const { attempt, termination } = record;
      this.#ends.set(attemptId(origin, attempt), { termination, place });
    }
    return { record, origin, decision };
  }

  /** In a `"v3"` bundle the decision says how the attempts ended, if it led to any. */
  #addEndsOf({ termination, retry_count: retries }: AnyDecision, origin: number): void {
    if ("inputs" in this.bundle || termination === null) return;
    const place = undefined;
    for (let attempt = 1; attempt <= retries; attempt++) {
      this.#ends.set(attemptId(origin, attempt), { termination: TRIED_AGAIN, place });
    }
    this.#ends.set(attemptId(origin, retries + 1), { termination, place });
  }
}

function notDecided(inputs: number, decisions: number): ShrinkError {
  const message = `Cannot shrink the recording: its ${decisions} decisions are not those of the ` +
    `${inputs} inputs that are decided on`;
  return new ShrinkError("not-decided", message, { details: { inputs, decisions } });
}
