/**
 * Which decision stands on an input in a recording of fewer inputs, where the supervisor decides otherwise than it
 * is recorded.
 *
 * What is always true:
 * - Where the supervisor decides on the whole recording as it is recorded, it is taken for the one that made it:
 *   what it decides on fewer inputs is what would have been recorded of them.
 * - Where it decides otherwise, what would have been recorded of fewer inputs is known only as long as nothing has
 *   changed that the decision depends on: its input, and of all others what is in flight, what was started in the
 *   rate window, what is due next, and how many wait where that is bounded. So long the recorded decision stays,
 *   in all fields in which the two differ. Otherwise the supervisor's own stands there, and nothing differs.
 * - So what the replay of a candidate does otherwise than it records, that of the whole does too, and nothing
 *   differs only because inputs are missing. But a serial attempt that is made otherwise only now ends as
 *   `Aborted`, as in every replay, where its end is not among the inputs.
 */
import { defined } from "../../_internal/errors.ts";
import type { DecisionNumbers, ExternalEvent } from "../../supervisor/types.ts";
import { isSameJson } from "../bundle/diff_bundles.ts";
import { asV3Decision } from "../bundle/records.ts";
import type { CaptureBundle, DecisionRecord } from "../types.ts";
import type { AnyDecision, RecordedSession } from "./recorded_session.ts";
import type { MadeDecision, RemadeInput, RemadeSession, Start } from "./remade_session.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The numbers of the episodes of a candidate. */
interface EpisodeNumbers {
  /** The number of the episode that was made for an event. */
  episodeOf(origin: number | undefined): number | undefined;
}

/** What says whether an episode is started, and which. */
const ADMISSION = ["decision", "schedule_at", "reason", "origin_event_id", "episode_id"];

/** What may be another: effects are none yet, numbers are looked at one by one, and a Pump may have come before. */
const NOT_DEPENDED_ON = ["effects", "numbers", "episode_id", "event_id"];

/** A decision that the supervisor makes otherwise of the whole recording than it is recorded. */
export class DecidedOtherwise {
  readonly #bundle: CaptureBundle;
  readonly #recorded: AnyDecision;
  readonly #whole: MadeDecision;
  /** Where the two differ. */
  readonly #fields: readonly string[];
  readonly #numbers: readonly string[];
  /** The numbers that it depends on, and the newest starts. */
  readonly #counts: readonly string[];
  readonly #starts: readonly Start[];
  /** Which episode is recorded: the same one, that of another event, a new one, or nobody knows which. */
  readonly #episode: "same" | { readonly origin: number } | "new" | "unknown";

  /** What is decided otherwise on an input of the whole; undefined when nothing is. */
  static of(
    session: RecordedSession,
    whole: RemadeSession,
    input: RemadeInput,
  ): DecidedOtherwise | undefined {
    const { recorded, made: { record } } = input;
    const fields = differing(recorded, inFormatOf(session.bundle, record), ["effects", "numbers"]);
    // Some numbers are there in one of them only; in the other format there are none.
    const all = { ...pick({}, Object.keys(numbersOf(recorded))), ...numbersOf(record) };
    const numbers = "numbers" in recorded ? differing(recorded.numbers, all) : [];
    if (fields.length === 0 && numbers.length === 0) return undefined;
    return new DecidedOtherwise(session, input, { fields, numbers, starts: whole.starts });
  }

  private constructor(
    { bundle, inputs }: RecordedSession,
    { place, recorded, made }: RemadeInput,
    { fields, numbers, starts }: {
      fields: readonly string[];
      numbers: readonly string[];
      starts: readonly Start[];
    },
  ) {
    const { event, origin } = inputs[place]!;
    this.#bundle = bundle;
    this.#recorded = recorded;
    this.#whole = made;
    this.#fields = fields;
    this.#numbers = numbers;
    const isStarting = event !== undefined && fields.some((name) => ADMISSION.includes(name));
    const reasons = ["reason" in recorded ? recorded.reason : undefined, made.record.reason];
    const isQueueBounded = "inputs" in bundle && bundle.max_deferred !== null ||
      reasons.includes("queue_full");
    this.#counts = [
      "now",
      ...(isStarting ? countsBehind(event) : []),
      ...(isQueueBounded ? ["deferred"] : []),
      ...numbers,
    ];
    const isOfStarts = isStarting || numbers.includes("in_window");
    this.#starts = isOfStarts ? startsBefore(made, starts, inWindow(recorded, made)) : [];
    if (origin === made.origin) this.#episode = "same";
    else if (origin !== undefined) this.#episode = { origin };
    else this.#episode = recorded.episode_id === made.nextEpisode ? "new" : "unknown";
  }

  /** The recorded decision as it is in a candidate; undefined when it is not known that it would be there. */
  in(
    made: MadeDecision,
    { starts, episodes }: { starts: readonly Start[]; episodes: EpisodeNumbers },
  ): AnyDecision | undefined {
    const episodeId = this.#episodeIn(episodes, made);
    if (!this.#isAlike(made, starts) || episodeId === undefined) return undefined;
    const record = {
      ...asRemade(this.#bundle, this.#recorded, made),
      ...pick(this.#recorded, this.#fields),
      effects: this.#recorded.effects,
      episode_id: episodeId,
    };
    if (!("numbers" in record)) return record;
    const numbers = { ...record.numbers, ...pick(numbersOf(this.#recorded), this.#numbers) };
    return { ...record, numbers: defined(numbers) as DecisionNumbers };
  }

  /** Whether the supervisor decides the same as in the whole, and by the same. */
  #isAlike(made: MadeDecision, starts: readonly Start[]): boolean {
    const [before, after] = [this.#whole.record, made.record];
    return made.origin === this.#whole.origin &&
      differing(before, after, NOT_DEPENDED_ON).length === 0 &&
      isSameJson(pick(before.numbers, this.#counts), pick(after.numbers, this.#counts)) &&
      isSameJson(this.#starts, startsBefore(made, starts, this.#starts.length));
  }

  /** The number of the episode; where the same one has two, they depend on all that has used one up. */
  #episodeIn(episodes: EpisodeNumbers, made: MadeDecision): number | undefined {
    const episode = this.#episode;
    if (typeof episode === "object") return episodes.episodeOf(episode.origin);
    if (episode === "new") return made.nextEpisode;
    const [recorded, whole] = [this.#recorded.episode_id, this.#whole.record.episode_id];
    if (episode === "same" && recorded === whole) return made.record.episode_id;
    return made.record.episode_id === whole ? recorded : undefined;
  }
}

/** The supervisor's own decision, with what a program has filled in, if that was about the same. */
export function asRemade(
  bundle: CaptureBundle,
  recorded: AnyDecision,
  { record }: MadeDecision,
): AnyDecision {
  const made = inFormatOf(bundle, record);
  const isSame = recorded.decision === made.decision &&
    isSameJson(recorded.termination, made.termination);
  return isSame ? { ...recorded, ...made, effects: recorded.effects } : made;
}

function inFormatOf(bundle: CaptureBundle, record: DecisionRecord): AnyDecision {
  return "inputs" in bundle ? record : asV3Decision(record);
}

/** The numbers by which it is decided whether an event starts an episode. Equal ones are of the same episodes. */
function countsBehind({ kind }: ExternalEvent): string[] {
  return ["in_flight", "in_window", ...(kind === "Pump" ? ["next_due"] : [])];
}

/** How many starts a decision may depend on: a `"v3"` bundle does not say, so that it may be all. */
function inWindow(recorded: AnyDecision, { record }: MadeDecision): number {
  if (!("numbers" in recorded)) return Infinity;
  return Math.max(recorded.numbers.in_window, record.numbers.in_window);
}

/** The newest starts before a decision, so many at most. */
function startsBefore({ started }: MadeDecision, starts: readonly Start[], most: number): Start[] {
  return starts.slice(Math.max(0, started - most), started);
}

function numbersOf(decision: AnyDecision): Fields {
  return "numbers" in decision ? { ...decision.numbers } : {};
}

/** The fields of `after`, but for some, that are others in `before`. */
function differing(before: object, after: object, but: readonly string[] = []): string[] {
  return Object.keys(after).filter((name) => {
    return !but.includes(name) && !isSameJson(memberOf(before, name), memberOf(after, name));
  });
}

function pick(record: object, names: readonly string[]): Fields {
  return Object.fromEntries(names.map((name) => [name, memberOf(record, name)]));
}

function memberOf(record: object, name: string): unknown {
  return (record as Fields)[name];
}
