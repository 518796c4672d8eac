import type {
  CaptureBundle,
  EpisodeInvocationRecord,
  RunRequest,
  RunTermination,
  SeedCaptureBundle,
} from "./types.ts";

/** How an attempt ended that the recording knows nothing of: it is not tried again. */
const UNKNOWN: RunTermination = "Aborted";
/** How an attempt ended that was tried again: the seed's format only says how often that was. */
const TRIED_AGAIN: RunTermination = Object.freeze({ Failed: "RuntimeError" });

/** Answers for the attempts of a serial replay, taken from the recording. */
export interface RecordedAnswers {
  /** The next event is about to be handed over. */
  begin(eventId: string): void;
  /** How the attempt ended. */
  answer(request: RunRequest): RunTermination;
}

/** The answers that a bundle holds. */
export function recordedAnswers(bundle: CaptureBundle): RecordedAnswers {
  if (!("inputs" in bundle)) return new SeedAnswers(bundle);
  const answers = new Map<string, RunTermination>();
  for (const input of bundle.inputs) {
    if (input.type === "completion") {
      answers.set(attemptKey(input.episode_id, input.attempt), input.termination);
    }
  }
  return {
    begin: () => {},
    answer: ({ episodeId, attempt }) => answers.get(attemptKey(episodeId, attempt)) ?? UNKNOWN,
  };
}

/** What tells an attempt from all others of its session. */
export function attemptKey(episodeId: number, attempt: number): string {
  return `${episodeId} ${attempt}`;
}

/** The seed's format has one decision an event; a missing one must not shift all behind it. */
class SeedAnswers implements RecordedAnswers {
  readonly #decisions = new Map<string, EpisodeInvocationRecord[]>();
  #current: EpisodeInvocationRecord | undefined;

  constructor(bundle: SeedCaptureBundle) {
    // From the last one, so that the first one can be popped.
    for (const decision of bundle.decisions.toReversed()) {
      const same = this.#decisions.get(decision.event_id);
      if (same === undefined) this.#decisions.set(decision.event_id, [decision]);
      else same.push(decision);
    }
  }

  begin(eventId: string): void {
    this.#current = this.#decisions.get(eventId)?.pop();
  }

  answer({ attempt }: RunRequest): RunTermination {
    const { termination = null, retry_count: retries = 0 } = this.#current ?? {};
    if (attempt <= retries) return TRIED_AGAIN;
    return attempt === retries + 1 && termination !== null ? termination : UNKNOWN;
  }
}
