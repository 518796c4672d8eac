import { checkFunction, checkMethods, checkObject, TaffrailError } from "../../_internal/errors.ts";
import { addDuration, durationOfMs } from "../../_internal/event_time.ts";
import type {
  Duration,
  RunRequest,
  RuntimeInvoker,
  SupervisorOptions,
  Timers,
} from "../../supervisor/types.ts";
import {
  eventsOf,
  type ExpectedProvenance,
  findEffectProblem,
  validateRecords,
} from "../bundle/validate_bundle.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type { CaptureBundle, EpisodeInvocationRecord } from "../types.ts";
import {
  attemptDivergences,
  decisionDivergences,
  decisionsOf,
  type Divergence,
  formatDivergence,
  unknownFields,
} from "./divergence.ts";
import { rehydrate, runReplay } from "./replay_run.ts";

/** Options of {@linkcode replayBundle}. */
export interface ReplayOptions {
  /**
   * Makes the supervisor: `(options) => new Supervisor(options)`. It must pass on every option that it
   * gets.
   */
  createSupervisor: (options: SupervisorOptions) => CapturableSupervisor;
  /**
   * Makes every attempt again, to see whether it ends as it did. Without it, attempts end as they are
   * recorded to have ended, and only what was decided is replayed.
   */
  invoker?: RuntimeInvoker;
  /**
   * Refuse event ids that stand twice and another provenance than `expected`, and report fields that are
   * not known.
   *
   * @default {true}
   */
  strict?: boolean;
  /** What the bundle must have been recorded with; without it, that is not checked. */
  expected?: ExpectedProvenance;
  /** Time for the deadlines of attempts that are made again; without it they are only passed on. */
  timers?: Timers;
  /**
   * How long an invoker may take to answer after its deadline, in milliseconds.
   *
   * @default {5000}
   */
  deadlineGraceMs?: number;
  /** Breaks the replay off: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What a replay found. */
export interface ReplayReport {
  /** Whether nothing went otherwise than it is recorded. */
  ok: boolean;
  /** What did, in the order of the bundle. */
  divergences: Divergence[];
  /** The decisions of the replay, without effects (RPL-5), in the format of the bundle. */
  decisions: EpisodeInvocationRecord[];
  /** Whether values were replaced in the recording, so that attempts that are made again see others. */
  redacted: boolean;
}

const DEFAULT_GRACE_MS = 5000;

type Answer = Awaited<ReturnType<RuntimeInvoker["run"]>>;

/**
 * Feeds what a bundle recorded to a fresh supervisor and reports where it decides otherwise (RPL-3 to
 * RPL-5). In `"concurrent"` mode the ends of attempts are inputs like events, and are taken in the
 * recorded order, so that the replay is exact however they were timed. Withdrawals are taken so in both modes.
 *
 * With an `invoker` every attempt is made again. It ends as the invoker says now, in a `"concurrent"`
 * bundle when the recording has it end, and a bundle of format `"taffrail-v1"` lets each attempt's end
 * be compared.
 *
 * A bundle that is not what was recorded is refused, in the order of {@linkcode validateBundle}; a
 * payload that is no JSON object (RPL-4) comes before an effect without its hash. Not compared are
 * effects, which a supervisor never sees (EFX-5; see {@linkcode compareDecisions}), and what RPL-8
 * names: `intent_acks`, `interruption`, `egress_provenance`, and the graph id and limits as such.
 *
 * **Permissions**: none but the invoker's.
 *
 * @param bundle The bundle.
 * @param options How to replay it.
 * @returns What was found.
 * @throws {ReplayError} When the bundle is refused.
 * @throws {TypeError} When the bundle's limits are none that a supervisor takes; also a `RangeError`.
 *
 * @example A recording whose graph has changed since
 * ```ts
 * import { CapturingSession, replayBundle } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const createSupervisor = (options: ConstructorParameters<typeof Supervisor>[0]) =>
 *   new Supervisor(options);
 * const session = new CapturingSession({
 *   graphId: "g",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker("Completed"),
 *   createSupervisor,
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at: { secs: 0, nanos: 0 } }));
 * const bundle = session.intoBundle();
 *
 * assert((await replayBundle(bundle, { createSupervisor })).ok);
 *
 * const invoker = new FaultInvoker({ Failed: "SemanticError" });
 * const { divergences } = await replayBundle(bundle, { createSupervisor, invoker });
 * assertEquals(divergences.map(({ path, recorded, replayed }) => [path, recorded, replayed]), [
 *   ["$.decisions[0].termination", "Completed", { Failed: "SemanticError" }],
 * ]);
 * ```
 */
export async function replayBundle(
  bundle: CaptureBundle,
  options: ReplayOptions,
): Promise<ReplayReport> {
  checkObject(options, "options");
  const { createSupervisor, invoker, strict = true, timers, signal } = options;
  checkFunction(createSupervisor, "createSupervisor");
  if (invoker !== undefined) checkMethods(invoker, "invoker", ["run"]);
  if (timers !== undefined) checkMethods(timers, "timers", ["now", "setTimer"]);
  validateRecords(bundle, options);
  const problem = findEffectProblem(bundle);
  if (problem !== null) {
    // Payloads come first, although otherwise each is looked at when its turn has come.
    eventsOf(bundle).forEach(rehydrate);
    throw problem;
  }
  const ports = { createSupervisor, invoker: liveInvoker(options), signal };
  const outcome = await runReplay(bundle, ports);
  const decisions = decisionsOf(bundle, outcome);
  const divergences = [
    ...(strict ? unknownFields(bundle) : []),
    ...decisionDivergences(bundle, decisions),
    ...attemptDivergences(bundle, outcome),
  ];
  const redacted = "inputs" in bundle && bundle.redacted;
  return { ok: divergences.length === 0, divergences, decisions, redacted };
}

/** How many divergences a message lists. */
const SHOWN = 10;

/**
 * Thrown by {@linkcode assertReplays} for a bundle that does not replay to what it records. Its message
 * lists the first divergences.
 *
 * @example Usage
 * ```ts
 * import { ReplayDivergedError } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ReplayDivergedError([{
 *   kind: "changed",
 *   index: 0,
 *   event: "e1",
 *   path: "$.decisions[0].episode_id",
 *   recorded: 0,
 *   replayed: 1,
 *   context: [],
 * }]);
 * assertEquals(
 *   error.message,
 *   "The replay went otherwise than the recording at 1 place:\n" +
 *     "  changed $.decisions[0].episode_id (event 'e1'): recorded 0, replayed 1",
 * );
 * ```
 */
export class ReplayDivergedError
  extends TaffrailError<"diverged", { readonly divergences: readonly Divergence[] }> {
  /** The name of the class. */
  override readonly name = "ReplayDivergedError";

  /** An error that lists these divergences. */
  constructor(divergences: readonly Divergence[]) {
    const places = divergences.length === 1 ? "1 place" : `${divergences.length} places`;
    const lines = divergences.slice(0, SHOWN).map(formatDivergence);
    if (divergences.length > SHOWN) lines.push(`and ${divergences.length - SHOWN} more`);
    const list = lines.map((line) => `\n  ${line}`).join("");
    const message = `The replay went otherwise than the recording at ${places}:${list}`;
    super("diverged", message, { details: { divergences } });
  }
}

/**
 * Replays a bundle and throws unless everything goes as it is recorded: {@linkcode replayBundle} for
 * tests.
 *
 * **Permissions**: none but the invoker's.
 *
 * @param bundle The bundle.
 * @param options How to replay it.
 * @throws {ReplayError} When the bundle is refused.
 * @throws {ReplayDivergedError} When something goes otherwise.
 *
 * @example Usage
 * ```ts
 * import { assertReplays } from "@taffrail/taffrail/capture";
 * import { Supervisor } from "@taffrail/taffrail/supervisor";
 *
 * const bundle = {
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * };
 * await assertReplays(bundle, { createSupervisor: (options) => new Supervisor(options) });
 * ```
 */
export async function assertReplays(bundle: CaptureBundle, options: ReplayOptions): Promise<void> {
  const { divergences } = await replayBundle(bundle, options);
  if (divergences.length > 0) throw new ReplayDivergedError(divergences);
}

/** The invoker; with timers its attempts end by their deadline, as a supervisor with timers ends them. */
function liveInvoker({ invoker, timers, deadlineGraceMs = DEFAULT_GRACE_MS }: ReplayOptions) {
  if (invoker === undefined || timers === undefined) return invoker;
  return {
    run: (request: RunRequest) => {
      const { deadline } = request;
      if (deadline === undefined || isZero(deadline)) return invoker.run(request);
      return runUntil(deadline, { invoker, request, timers, deadlineGraceMs });
    },
  };
}

function isZero({ secs, nanos }: Duration): boolean {
  return secs === 0 && nanos === 0;
}

function runUntil(
  deadline: Duration,
  { invoker, request, timers, deadlineGraceMs }: {
    invoker: RuntimeInvoker;
    request: RunRequest;
    timers: Timers;
    deadlineGraceMs: number;
  },
): Promise<Answer> {
  const controller = new AbortController();
  const signal = AbortSignal.any([request.signal, controller.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const timeOut = () => resolve("TimedOut");
  let cancel = timers.setTimer(addDuration(timers.now(), deadline), () => {
    cancel = timers.setTimer(addDuration(timers.now(), durationOfMs(deadlineGraceMs)), timeOut);
    controller.abort(new DOMException("The deadline of the attempt has passed", "TimeoutError"));
  });
  const answer = async () => await invoker.run({ ...request, signal });
  answer().then(resolve, reject).finally(() => cancel());
  return promise;
}
