import { completeConstraints, limitsOf } from "../../_internal/constraints.ts";
import { checkKeys, isObject } from "../../_internal/errors.ts";
import { ZERO } from "../../_internal/event_time.ts";
import { encodeJson } from "../../_internal/wire_json/codec.ts";
import { copyOfJsonObject } from "../../_internal/wire_json/json_value.ts";
import type {
  DecisionLogEntry,
  ExternalEvent,
  RunRequest,
  RunTermination,
  RuntimeInvoker,
  SupervisorOptions,
} from "../../supervisor/types.ts";
import { isSameJson } from "../bundle/diff_bundles.ts";
import { termination } from "../bundle/record_codecs.ts";
import { asV3Decision, attemptId, recordDecision, rehydrateEvent } from "../bundle/records.ts";
import { eventsOf } from "../bundle/validate_bundle.ts";
import { CaptureError } from "../errors.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type {
  CaptureBundle,
  EpisodeInvocationRecord,
  EventInputRecord,
  ExternalEventRecord,
  TaffrailCaptureBundle,
  V3CaptureBundle,
  WithdrawInputRecord,
} from "../types.ts";
import { replayError } from "./replay_error.ts";

/** What a replay is made with. */
interface ReplayPorts {
  createSupervisor: (options: SupervisorOptions) => CapturableSupervisor;
  /** Makes the attempts again; without it they end as they are recorded to have ended. */
  invoker: RuntimeInvoker | undefined;
  signal: AbortSignal | undefined;
}

type LivePorts = ReplayPorts & { signal: AbortSignal };

/** What a replay led to. */
export interface ReplayOutcome {
  /** The decisions in the format of the bundle; its own records where they say the same. */
  decisions: EpisodeInvocationRecord[];
  /** How the attempts ended that were made again, by {@linkcode attemptId}. */
  terminations: Map<string, RunTermination>;
  /** The events that the attempts were made for, by {@linkcode attemptId}. */
  origins: Map<string, string>;
  /** The episodes that are deferred now. */
  deferred: Set<number>;
  /** The inputs that withdrew an episode again, by their index. */
  withdrawn: Set<number>;
}

const RUNTIME_ERROR: RunTermination = Object.freeze({ Failed: "RuntimeError" });

/** Feeds the inputs of a bundle to a fresh supervisor (RPL-4). */
export async function runReplay(bundle: CaptureBundle, ports: ReplayPorts): Promise<ReplayOutcome> {
  ports.signal?.throwIfAborted();
  const invoker = ports.invoker && begunOnly(ports.invoker, bundle);
  const isConcurrent = "inputs" in bundle && bundle.mode === "concurrent";
  const controller = new AbortController();
  const signal = ports.signal === undefined
    ? controller.signal
    : AbortSignal.any([ports.signal, controller.signal]);
  try {
    const outcome = isConcurrent
      ? await replayConcurrently(bundle, { ...ports, invoker, signal })
      : await replaySerially(bundle, { ...ports, invoker, signal });
    signal.throwIfAborted();
    return outcome;
  } finally {
    // The signals of attempts that were made again and whose turn never came abort.
    controller.abort();
  }
}

/** An invoker that is not asked for attempts that ended before their work began: they end as they did. */
function begunOnly(invoker: RuntimeInvoker, bundle: CaptureBundle): RuntimeInvoker {
  const unbegun = new Map<string, RunTermination>();
  for (const input of "inputs" in bundle ? bundle.inputs : []) {
    if (input.type !== "completion" || input.end?.begun !== false) continue;
    unbegun.set(attemptId(input.episode_id, input.attempt), input.termination);
  }
  if (unbegun.size === 0) return invoker;
  return {
    run: (request) =>
      unbegun.get(attemptId(request.episodeId, request.attempt)) ?? invoker.run(request),
  };
}

/** Serial replay: the attempts of an event are over before the next event is handed over. */
async function replaySerially(
  bundle: CaptureBundle,
  ports: LivePorts,
): Promise<ReplayOutcome> {
  const outcome = newOutcome();
  const answers = recordedAnswers(bundle);
  const { invoker = { run: (request: RunRequest) => answers.answer(request) } } = ports;
  const supervisor = createFresh(bundle, ports, {
    outcome,
    inputLog: {
      record: (input) => {
        if (input.type !== "completion") return;
        const { episode_id: episodeId, attempt, termination } = input;
        outcome.terminations.set(attemptId(episodeId, attempt), termination);
      },
    },
    invoker: {
      run: (request) => {
        const { episodeId, attempt, eventId } = request;
        outcome.origins.set(attemptId(episodeId, attempt), eventId);
        return invoker.run(request);
      },
    },
  });
  const inputs = "inputs" in bundle ? bundle.inputs : eventsOf(bundle);
  for (const [index, input] of inputs.entries()) {
    if ("type" in input && input.type === "completion") continue;
    if ("type" in input && input.type === "withdraw") {
      await withdraw(supervisor, { input, index, outcome });
      continue;
    }
    const event = rehydrate(input);
    answers.begin(event.id);
    await supervisor.onEvent(event);
  }
  return outcome;
}

/** Withdraws an episode again, if it is deferred in the replay too. If not, the report says so. */
async function withdraw(
  supervisor: CapturableSupervisor,
  { input: { episode_id: episodeId, at }, index, outcome }: {
    input: WithdrawInputRecord;
    index: number;
    outcome: ReplayOutcome;
  },
): Promise<void> {
  if (!outcome.deferred.has(episodeId)) return;
  outcome.withdrawn.add(index);
  await supervisor.withdraw({ episodeId, at });
}

/**
 * Concurrent replay: the supervisor starts what its core starts, and the end of each attempt is fed to it
 * when the recording says so. Attempts that are made again and end sooner wait for their turn.
 */
async function replayConcurrently(
  bundle: TaffrailCaptureBundle,
  ports: LivePorts,
): Promise<ReplayOutcome> {
  const outcome = newOutcome();
  /** What attempts in flight will answer. */
  const answers = new Map<string, Promise<RunTermination>>();
  const unlessAborted = waitFor(ports.signal);
  const { invoker } = ports;
  let now = ZERO;
  const supervisor = createFresh(bundle, ports, {
    outcome,
    invoker: {
      run: (request) => {
        const { episodeId, attempt, eventId } = request;
        const key = attemptId(episodeId, attempt);
        outcome.origins.set(key, eventId);
        if (invoker !== undefined) answers.set(key, answerOf(invoker, request));
        return new Promise(() => {});
      },
    },
    // Deadlines do not pass by themselves: that they have passed is among the inputs.
    timers: { now: () => now, setTimer: () => () => {} },
  });
  for (const [index, input] of bundle.inputs.entries()) {
    if (input.type === "event") {
      now = input.event_time;
      await supervisor.onEvent(rehydrate(input));
      continue;
    }
    if (input.type === "withdraw") {
      now = input.at;
      await withdraw(supervisor, { input, index, outcome });
      continue;
    }
    const { episode_id: episodeId, attempt, at } = input;
    const key = attemptId(episodeId, attempt);
    const wasStarted = outcome.origins.has(key) && !outcome.terminations.has(key);
    // It was not started again, or the recording ends it twice: the report says so.
    if (!wasStarted) continue;
    const answer = answers.get(key);
    answers.delete(key);
    const termination = answer === undefined ? input.termination : await unlessAborted(answer);
    outcome.terminations.set(key, termination);
    now = at;
    await supervisor.complete({ episodeId, attempt, termination, at });
  }
  return outcome;
}

function newOutcome(): ReplayOutcome {
  return {
    decisions: [],
    terminations: new Map(),
    origins: new Map(),
    deferred: new Set(),
    withdrawn: new Set(),
  };
}

function takeDecision(
  bundle: CaptureBundle,
  outcome: ReplayOutcome,
  entry: DecisionLogEntry,
): void {
  const made = recordDecision(entry);
  const replayed = "inputs" in bundle ? made : asV3Decision(made);
  const recorded = bundle.decisions[outcome.decisions.length];
  const isRecorded = recorded !== undefined && isSameJson(recorded, replayed);
  outcome.decisions.push(isRecorded ? recorded : replayed);
  const { decision, originEventId, episode_id: episodeId } = entry;
  // A Pump that found nothing due has an episode of no event, which nothing can withdraw.
  if (decision === "Defer" && originEventId !== null) outcome.deferred.add(episodeId);
  else outcome.deferred.delete(episodeId);
}

/** A supervisor with the rules of a bundle, whose decisions go into the outcome. */
function createFresh(
  bundle: CaptureBundle,
  { createSupervisor, signal }: LivePorts,
  { outcome, ...ports }:
    & Pick<SupervisorOptions, "inputLog" | "invoker" | "timers">
    & { outcome: ReplayOutcome },
): CapturableSupervisor {
  const decisionLog = { log: (entry: DecisionLogEntry) => takeDecision(bundle, outcome, entry) };
  return freshSupervisor(bundle, { createSupervisor, decisionLog, signal, ...ports });
}

/** A supervisor with the rules of a bundle, which has seen nothing yet. */
export function freshSupervisor(
  bundle: CaptureBundle,
  { createSupervisor, ...ports }:
    & Pick<ReplayPorts, "createSupervisor">
    & Pick<SupervisorOptions, "decisionLog" | "inputLog" | "invoker" | "signal" | "timers">,
): CapturableSupervisor {
  const options: SupervisorOptions = {
    graphId: bundle.graph_id,
    constraints: limitsOf(completeConstraints(bundle.config)),
    ...ports,
  };
  if (!("inputs" in bundle)) return createSupervisor(options);
  const { mode, max_deferred: maxDeferred, backoff } = bundle;
  return createSupervisor({ ...options, mode, maxDeferred, backoff });
}

/** The event of a record, checked just before it is fed (RPL-4). */
export function rehydrate(record: ExternalEventRecord | EventInputRecord): ExternalEvent {
  try {
    return rehydrateEvent(record);
  } catch (cause) {
    if (!(cause instanceof CaptureError)) throw cause;
    const kind = cause.kind === "payload-hash-mismatch" ? "hash-mismatch" : "invalid-payload";
    throw replayError(kind, { eventId: record.event_id }, cause);
  }
}

/** Calls the invoker now. What it throws, and what is no answer, ends the attempt as in a supervisor. */
async function answerOf(invoker: RuntimeInvoker, request: RunRequest): Promise<RunTermination> {
  try {
    const answer: unknown = await invoker.run(request);
    const hasMore = isObject(answer) && "termination" in answer;
    if (hasMore) checkKeys(answer, "answer", ["termination", "end"]);
    if (hasMore && answer.end !== undefined) copyOfJsonObject(answer.end, "answer.end");
    const ended = (hasMore ? answer.termination : answer) as RunTermination;
    encodeJson(termination, ended);
    return ended;
  } catch {
    return RUNTIME_ERROR;
  }
}

/**
 * Waits for one answer at a time, until the signal aborts. A race of each with one promise that lasts as
 * long as the replay would hold all of them.
 */
export function waitFor(signal: AbortSignal): <T>(answer: Promise<T>) => Promise<T> {
  let reject = (_reason: unknown): void => {};
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return async <T>(answer: Promise<T>) => {
    const waiting = Promise.withResolvers<T>();
    reject = waiting.reject;
    if (signal.aborted) reject(signal.reason);
    answer.then(waiting.resolve, waiting.reject);
    return await waiting.promise;
  };
}

/** How an attempt ended that the recording does not have: it is not tried again. */
export const UNKNOWN: RunTermination = "Aborted";
/** How an attempt ended that was tried again: v3 only says how often that was. */
export const TRIED_AGAIN: RunTermination = Object.freeze({ Failed: "RuntimeError" });

/** Answers for the attempts of a serial replay, taken from the recording. */
interface RecordedAnswers {
  /** The next event is about to be handed over. */
  begin(eventId: string): void;
  /** How the attempt ended. */
  answer(request: RunRequest): RunTermination;
}

/** The answers that a bundle holds. */
function recordedAnswers(bundle: CaptureBundle): RecordedAnswers {
  if (!("inputs" in bundle)) return new V3Answers(bundle);
  const answers = new Map<string, RunTermination>();
  for (const input of bundle.inputs) {
    if (input.type === "completion") {
      answers.set(attemptId(input.episode_id, input.attempt), input.termination);
    }
  }
  return {
    begin: () => {},
    answer: ({ episodeId, attempt }) => answers.get(attemptId(episodeId, attempt)) ?? UNKNOWN,
  };
}

/** v3 has one decision an event; a missing one must not shift all behind it. */
class V3Answers implements RecordedAnswers {
  readonly #decisions: Map<string, EpisodeInvocationRecord[]>;
  #current: EpisodeInvocationRecord | undefined;

  constructor(bundle: V3CaptureBundle) {
    // From the last one, so that the first one can be popped.
    this.#decisions = Map.groupBy(bundle.decisions.toReversed(), ({ event_id }) => event_id);
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
