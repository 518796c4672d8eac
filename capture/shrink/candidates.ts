import type { SupervisorOptions } from "../../supervisor/types.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type { BundleNote, CaptureBundle, ResumedRecord } from "../types.ts";
import { asRemade, DecidedOtherwise } from "./decided_otherwise.ts";
import { Evidence } from "./evidence.ts";
import { type AnyDecision, type AnyInput, RecordedSession } from "./recorded_session.ts";
import { type MadeDecision, type RemadeInput, RemadeSession } from "./remade_session.ts";

type CreateSupervisor = (options: SupervisorOptions) => CapturableSupervisor;

/** A recording of fewer inputs. */
export interface Candidate {
  readonly bundle: CaptureBundle;
  /** The inputs that it has, by their places in the whole recording, but for the ends of serial attempts. */
  readonly places: readonly number[];
}

/** The recordings that there are of fewer inputs. */
export class Candidates {
  readonly #createSupervisor: CreateSupervisor;
  /** What the supervisor makes of all inputs. */
  readonly #whole: RemadeSession;
  /** What follows from the decisions on which it agrees with the recording. */
  readonly #evidence = new Evidence();
  /** The decisions on which it does not, by the places of the inputs. */
  readonly #otherwise = new Map<number, DecidedOtherwise>();

  /** Looks at what the supervisor makes of the whole recording. */
  static async of(bundle: CaptureBundle, createSupervisor: CreateSupervisor): Promise<Candidates> {
    const session = new RecordedSession(bundle);
    const whole = await RemadeSession.of(session, session.places, { createSupervisor });
    return new Candidates(session, whole, createSupervisor);
  }

  private constructor(
    /** What is recorded. */
    readonly session: RecordedSession,
    whole: RemadeSession,
    createSupervisor: CreateSupervisor,
  ) {
    this.#createSupervisor = createSupervisor;
    this.#whole = whole;
    for (const input of whole.inputs) {
      const otherwise = DecidedOtherwise.of(session, whole, input);
      if (otherwise !== undefined) this.#otherwise.set(input.place, otherwise);
      else this.#evidence.add(input.made.record, session.inputs[input.place]!.event);
    }
  }

  /** The first input that is decided on otherwise than it is recorded; undefined where none is. */
  get firstOtherwise(): number | undefined {
    return this.#otherwise.keys().next().value;
  }

  /**
   * The recording of the inputs with these places, but for those that nothing leads to without the others.
   * Undefined where it would have to say how an attempt ended that is not recorded: nothing is made up.
   */
  async candidate(places: readonly number[]): Promise<Candidate | undefined> {
    const { session } = this;
    const remade = await RemadeSession.of(session, places, {
      createSupervisor: this.#createSupervisor,
      whole: this.#whole,
    });
    const candidate = new CandidateBundle(session);
    const known = { starts: remade.starts, episodes: candidate };
    let isKnown = true;
    for (const input of remade.inputs) {
      const { place, made } = input;
      const kept: AnyDecision | undefined = isKnown
        ? this.#otherwise.get(place)?.in(made, known)
        : undefined;
      isKnown &&= kept !== undefined ||
        this.#evidence.supports(made.record, session.inputs[place]!.event);
      if (!candidate.add(input, kept)) return undefined;
    }
    return { bundle: candidate.finish(), places: remade.inputs.map(({ place }) => place) };
  }
}

/** A recording as it is put together. */
class CandidateBundle {
  readonly #session: RecordedSession;
  readonly #inputs: AnyInput[] = [];
  /** The numbers of the episodes that were made for events. */
  readonly #episodes = new Map<number, number>();
  readonly #decisions: AnyDecision[] = [];
  readonly #notes: (ResumedRecord & { after: number })[] = [];
  #runtime: string;
  /** How many of the recorded resumptions were gone by. */
  #resumed = 0;

  constructor(session: RecordedSession) {
    this.#session = session;
    this.#runtime = session.bundle.runtime_provenance;
  }

  /** The number of the episode that was made for an event. */
  episodeOf(origin: number | undefined): number | undefined {
    return origin === undefined ? undefined : this.#episodes.get(origin);
  }

  /**
   * Adds an input with its decision: the recorded one where that is kept, and else what the supervisor makes of
   * it. False where that depends on an end that is not recorded.
   */
  add({ place, recorded, made, ends }: RemadeInput, kept: AnyDecision | undefined): boolean {
    this.#goBy(place);
    const decision = kept ?? asRemade(this.#session.bundle, recorded, made);
    const { event } = this.#session.inputs[place]!;
    if (event !== undefined && event.kind !== "Pump") {
      this.#episodes.set(place, decision.episode_id);
    }
    this.#addInput(place);
    if (kept !== undefined) {
      for (const end of this.#session.endsBehind(place)) this.#addInput(end);
    }
    for (const end of kept === undefined ? ends : []) {
      if (end === undefined || !this.#canSay(made)) return false;
      if (end.place !== undefined) this.#addInput(end.place);
    }
    this.#decisions.push(decision);
    return true;
  }

  /** The format `"v3"` cannot say of an attempt that it ended where its episode goes on. */
  #canSay({ record: { termination } }: MadeDecision): boolean {
    return "inputs" in this.#session.bundle || termination !== null;
  }

  /** All of it. */
  finish(): CaptureBundle {
    const { bundle } = this.#session;
    this.#goBy(Infinity);
    const members = {
      runtime_provenance: this.#runtime,
      decisions: this.#decisions as never,
    };
    if (!("inputs" in bundle)) return { ...bundle, ...members, events: this.#inputs as never };
    const { notes: _, ...rest } = bundle;
    const notes: BundleNote[] = this.#notes;
    const inputs = this.#inputs as never;
    return { ...rest, ...members, inputs, ...(notes.length > 0 && { notes }) };
  }

  #addInput(place: number): void {
    const { record, origin } = this.#session.inputs[place]!;
    const episodeId = this.episodeOf(origin);
    const isSame = "event_id" in record || episodeId === undefined ||
      record.episode_id === episodeId;
    this.#inputs.push(isSame ? record : { ...record, episode_id: episodeId });
  }

  /**
   * Of all that happened between two inputs that nothing is decided by, it stays that somebody went on: that was a
   * pause. Who did so last is said in any case, since replays ask for it.
   */
  #goBy(place: number): void {
    const { resumptions } = this.#session;
    const gone = resumptions.slice(this.#resumed).filter((one) => one.place <= place);
    this.#resumed += gone.length;
    const last = gone.at(-1)?.note;
    if (last === undefined) return;
    const before = place === Infinity ? this.#notes.pop() : undefined;
    if (before !== undefined) this.#notes.push({ ...last, after: before.after });
    else if (place === Infinity || this.#inputs.length === 0) {
      this.#runtime = last.runtime_provenance;
    } else this.#notes.push({ ...last, after: this.#inputs.length + this.#decisions.length });
  }
}
