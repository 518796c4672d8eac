/**
 * What the journal of a program's run tells and its log does not: what steps gave and why they failed, what
 * waits, what the program has recorded, and with what it ended. What is always true:
 *
 * - An end counts when its line is in the journal, whether it was decided on or not.
 * - Behind a line `resumed` the run has no end; all else stands.
 */
import { defined, isObject } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { CaptureLine } from "../../capture/session/read_capture_lines.ts";
import type { WaitRecord } from "../../capture/types.ts";
import { attemptKey } from "../../run/attempt_key.ts";
import type { EndedAttempt } from "../../run/engine/lifecycle.ts";
import { gateOfRefusal, WaitHistory } from "../../run/engine/wait_history.ts";
import type { ErrorRecord, NodeAttempt } from "../../run/types.ts";
import type { ProgramAbout } from "./program_about.ts";

/** What a step gave, or why it failed. */
export interface StepEnd {
  /** What it gave: any JSON; left out where it is kept as a file, or where it gave nothing. */
  result?: unknown;
  /** The digest of what is kept as a file. */
  result_hash?: string;
  /** Why it failed. */
  error?: ErrorRecord;
  /** Of a gate: who has passed it. */
  by?: string;
}

/** An attempt at a step that has ended. */
export interface EndedStep extends NodeAttempt {
  /** When, in milliseconds since 1970. */
  at: number;
  end: StepEnd;
}

/** Something that the program has recorded. */
export interface RecordTold {
  id: string;
  at: string;
  data: unknown;
}

/** An answer to a gate that could not be used. */
interface Refusal {
  gate: string;
  by?: string;
  problem: string;
}

/** Something that waits. */
export interface WaitTold {
  id: string;
  kind: WaitRecord["kind"];
  /** Since when. */
  since: string;
  /** Until when; left out where it waits for ever. */
  until?: string;
  /** Of a gate: what was answered and could not be used. */
  refused?: Omit<Refusal, "gate">[];
}

/** What a record says of an answer to a gate that could not be used; undefined for any other record. */
export function refusalOf({ id, data }: Pick<RecordTold, "id" | "data">): Refusal | undefined {
  const gate = gateOfRefusal(id);
  if (gate === undefined || !isObject(data) || typeof data.problem !== "string") return undefined;
  const { by, problem } = data;
  return { gate, problem, ...(typeof by === "string" && { by }) };
}

/** What a journal tells of a program, line by line. */
export class ProgramFacts {
  /** What the program has said of itself. */
  readonly about: ProgramAbout;
  readonly #ends = new Map<string, EndedStep>();
  readonly #passed = new Map<string, StepEnd>();
  readonly #waits = new WaitHistory();
  readonly #records = new Map<string, RecordTold>();
  readonly #refused = new Map<string, Omit<Refusal, "gate">[]>();
  #version: string | undefined;
  #output: unknown;
  #hasCompleted = false;

  constructor(about: ProgramAbout) {
    this.about = about;
    this.#version = about.version;
  }

  /** Takes the next line that counts. */
  takeLine(line: CaptureLine): void {
    switch (line.type) {
      case "session":
        for (const kept of [this.#ends, this.#passed, this.#waits, this.#records, this.#refused]) {
          kept.clear();
        }
        this.#output = undefined;
        this.#hasCompleted = false;
        break;
      case "resumed":
        this.#output = undefined;
        this.#hasCompleted = false;
        // What is said of no version is that of the build of a flow.
        if (this.about.version !== undefined) this.#version = line.runtime_provenance;
        break;
      case "ended":
        this.#output = line.output;
        this.#hasCompleted = line.state === "Completed";
        break;
      case "record":
        this.#takeRecord(line);
        break;
      case "wait":
      case "waited": {
        this.#waits.take(line);
        if (line.type !== "waited" || line.how !== "passed") break;
        const attempt = { nodeId: line.id, attempt: this.#waits.of(line.id).asks };
        this.#passed.set(attemptKey(attempt), defined({ result: line.value, by: line.by }));
      }
    }
  }

  #takeRecord(record: CaptureLine & { type: "record" }): void {
    const { id, at, data } = record;
    const refusal = refusalOf(record);
    if (refusal === undefined) {
      this.#records.set(id, { id, at: textOf(at), data });
      return;
    }
    const { gate, ...answer } = refusal;
    const answers = this.#refused.get(gate) ?? [];
    answers.push(answer);
    this.#refused.set(gate, answers);
  }

  /** Takes the end of an attempt. */
  takeEnd({ nodeId, attempt, end, at }: EndedAttempt): void {
    const { result, result_hash, error } = end ?? {};
    const told = defined({ result, result_hash, error });
    // A gate has told what there is in a line of its own.
    if (this.#waits.of(nodeId).kind === "gate") return;
    if (Object.keys(told).length === 0) return;
    this.#ends.set(attemptKey({ nodeId, attempt }), { nodeId, attempt, at, end: told });
  }

  /** How an attempt ended; nothing is said of one that gave nothing. */
  endOf(attempt: NodeAttempt): StepEnd {
    const key = attemptKey(attempt);
    return this.#ends.get(key)?.end ?? this.#passed.get(key) ?? {};
  }

  /** How steps ended that gave something or failed, in the order in which they did. */
  get ends(): Iterable<EndedStep> {
    return this.#ends.values();
  }

  /** The version that went on with the run last. */
  get version(): string | undefined {
    return this.#version;
  }

  /** With what the run has completed. */
  get output(): unknown {
    return this.#output;
  }

  /** What the program has recorded, in order. */
  get records(): RecordTold[] {
    return [...this.#records.values()];
  }

  /** The gates and sleeps that wait, or waited when the run ended; of one that has completed nothing does. */
  get waits(): WaitTold[] {
    if (this.#hasCompleted) return [];
    return this.#waits.waiting.map(({ id, kind, at, until }) => {
      const refused = this.#refused.get(id);
      return {
        id,
        kind,
        since: textOf(at),
        ...defined({ until: until && textOf(until), refused }),
      };
    });
  }
}

function textOf(time: WaitRecord["at"]): string {
  return new Date(millisecondsOf(time)).toISOString();
}
