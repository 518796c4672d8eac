/**
 * What the journal of a run says happened, for whoever brings the log up to it: going on with the run, its
 * repair, and whoever only looks at it.
 */
import type { RecoveredCapture } from "../../capture/session/recover_capture.ts";
import type { DecisionRecord, InputRecord } from "../../capture/types.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { AttemptInfo } from "../../eventlog/run_state.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import type { EndRecord } from "../port.ts";
import type { NodeAttempt } from "../types.ts";
import { type Asks, nodeOfEvent } from "./asks.ts";
import {
  type DescribeNode,
  type EventBody,
  millisecondsOf,
  nodeEnded,
  nodeStarted,
  pipeEnded,
  pipeStarted,
  wasBegun,
} from "./lifecycle.ts";

/** One input, and what was decided on it. */
interface Step {
  input: InputRecord;
  decision: DecisionRecord;
}

/** An attempt as the journal has it. */
export interface JournalAttempt extends NodeAttempt {
  /** How it ended; null when nobody has seen that. */
  termination: RunTermination | null;
  /** What is recorded of its end. */
  end: EndRecord | undefined;
}

/** {@linkcode file} */
export class JournalHistory {
  /** Attempts that were or may have been begun, and whose ends nobody has seen. */
  readonly cutOff: readonly NodeAttempt[];
  readonly #recovered: RecoveredCapture;
  readonly #asks: Asks;
  readonly #steps: readonly Step[];
  /** What the events of the nodes asked for. */
  readonly #payloads = new Map<string, string>();
  /** By episode, the event that it was made for. */
  readonly #origins = new Map<number, string>();
  /** Attempts that ended before their work was called for, by event and number: the next ask has it again. */
  readonly #unbegun = new Set<string>();

  /** `asks`: takes all asks and attempts of the journal. */
  constructor(recovered: RecoveredCapture, asks: Asks) {
    this.#recovered = recovered;
    this.#asks = asks;
    const { bundle, undecided, interrupted } = recovered;
    if (!("inputs" in bundle)) throw new TypeError("Cannot use the journal of a serial session");
    this.#steps = bundle.decisions.map((decision, index) => {
      return { input: bundle.inputs[index]!, decision };
    });
    for (const input of [...bundle.inputs, ...undecided]) {
      if (!("event_id" in input) || input.kind !== "Command") continue;
      asks.add({ eventId: input.event_id, firstAttempt: firstAttemptOf(input) });
      if (typeof input.payload === "string") this.#payloads.set(input.event_id, input.payload);
    }
    for (const { decision: { origin_event_id: eventId, episode_id: episodeId } } of this.#steps) {
      if (eventId !== null) this.#origins.set(episodeId, eventId);
    }
    for (const { input } of this.#steps) {
      if (input.type !== "completion" || wasBegun({ end: input.end })) continue;
      this.#unbegun.add(`${this.#origins.get(input.episode_id)} ${input.attempt}`);
    }
    for (const { event_id: eventId, attempt, termination, end } of interrupted) {
      if (termination !== null && !wasBegun({ end })) this.#unbegun.add(`${eventId} ${attempt}`);
    }
    for (const { decision } of this.#steps) {
      const begun = this.#begunBy(decision);
      if (begun !== undefined) asks.begun(begun);
    }
    this.cutOff = interrupted.filter(({ termination }) => termination === null)
      .map(({ event_id: eventId, attempt }) => asks.attemptOf(eventId, attempt));
  }

  /** Every attempt that was or may have been begun: those that have an end first, each in the order of the journal. */
  attempts(): JournalAttempt[] {
    const ended = this.#steps.flatMap(({ input }) => this.#endedBy(input) ?? []).filter(wasBegun);
    const open = this.#recovered.interrupted.map(({ event_id, attempt, termination, end }) => {
      return { ...this.#asks.attemptOf(event_id, attempt), termination, end };
    });
    return [...ended, ...open.filter(wasBegun)];
  }

  /** The nodes whose last end that was decided on is that they completed. */
  get completed(): Set<string> {
    const completed = new Set<string>();
    for (const { decision: { decision, origin_event_id: eventId, termination } } of this.#steps) {
      if (decision !== "Finish" || eventId === null) continue;
      if (termination === "Completed") completed.add(nodeOfEvent(eventId));
      else completed.delete(nodeOfEvent(eventId));
    }
    return completed;
  }

  /** The nodes that were asked for. */
  get asked(): Set<string> {
    return new Set([...this.#payloads.keys()].map(nodeOfEvent));
  }

  /** The ends that are recorded and were not decided on. */
  get undecidedEnds(): { attempt: NodeAttempt; end: EndRecord | undefined }[] {
    return this.#recovered.interrupted.filter(({ termination }) => termination !== null)
      .map(({ event_id: eventId, attempt, end }) => {
        return { attempt: this.#asks.attemptOf(eventId, attempt), end };
      });
  }

  /**
   * The events that a log lacks, in the order of the journal: the begin of the run, begins and ends of
   * attempts, and the end of the run if that is the last thing that the journal has.
   */
  missingEvents({ fold, name, nodes, describe }: {
    fold: RunFold;
    name: string;
    nodes: readonly string[];
    describe: DescribeNode;
  }): EventBody[] {
    const bodies: EventBody[] = [];
    for (const { input, decision } of this.#steps) {
      const at = millisecondsOf(decision.numbers.now);
      const ended = this.#endedBy(input);
      if (ended !== undefined && wasBegun(ended)) {
        const logged = loggedAttempt(fold, ended);
        const isOpen = logged === undefined || logged.status === "Running";
        if (isOpen) bodies.push(nodeEnded(at, ended, ended));
      }
      const begun = this.#begunBy(decision);
      if (begun === undefined || loggedAttempt(fold, begun) !== undefined) continue;
      const text = describe(begun.nodeId, this.#payloadOf(decision.origin_event_id!));
      bodies.push(nodeStarted(at, begun, text));
    }
    const { ended } = this.#recovered;
    if (ended !== null && fold.state().state === "Running") {
      const { at, reason, failed } = ended;
      bodies.push(pipeEnded(millisecondsOf(at), { startedTs: fold.sittingTs, reason, failed }));
    }
    if (fold.hasBegun || this.#steps.length + bodies.length === 0) return bodies;
    const first = this.#steps[0]?.decision.numbers.now;
    const at = first === undefined ? bodies[0]!.at : millisecondsOf(first);
    return [pipeStarted(at, { name, nodes }), ...bodies];
  }

  /** The attempt that an input ends; undefined when it ends none. */
  #endedBy(input: InputRecord): (JournalAttempt & { termination: RunTermination }) | undefined {
    if (input.type !== "completion") return undefined;
    const { episode_id: episodeId, attempt, termination, end } = input;
    const ended = this.#asks.attemptOf(this.#origins.get(episodeId)!, attempt);
    return { ...ended, termination, end };
  }

  /** The attempt that a decision leads to; undefined when it was ended before its work was called for. */
  #begunBy({ decision, origin_event_id: eventId, retry_count: retries }: DecisionRecord) {
    if (decision !== "Invoke" || eventId === null) return undefined;
    if (this.#unbegun.has(`${eventId} ${retries + 1}`)) return undefined;
    return this.#asks.attemptOf(eventId, retries + 1);
  }

  #payloadOf(eventId: string): Record<string, unknown> {
    const text = this.#payloads.get(eventId);
    return text === undefined || text === "" ? {} : JSON.parse(text);
  }
}

function firstAttemptOf(input: object): number {
  const first: unknown = Reflect.get(input, "first_attempt");
  return typeof first === "number" ? first : 1;
}

/** What a log says of an attempt; undefined when it has nothing of it. */
export function loggedAttempt(
  fold: RunFold,
  { nodeId, attempt }: NodeAttempt,
): AttemptInfo | undefined {
  return fold.attemptOf(nodeId, attempt);
}
