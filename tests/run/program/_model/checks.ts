/** What must hold of a program that was cut off and gone on with, whatever it was cut off by. */
import { assert, assertEquals } from "@std/assert";
import { nodeOfEvent } from "../../../../run/engine/asks.ts";
import type { LogEvent } from "../../_records.ts";
import type { Effect } from "./effects.ts";
import type { Learned, Outcome } from "./model.ts";
import { partsOf, type PlannedProgram } from "./planned.ts";

/** What a journal has, line by line, as anybody could read it. */
export interface Journalled {
  /** What has completed, whether that was decided on or not, and what has failed for good. */
  over: Set<string>;
  /** How often each wait, end of a wait, and record stands in it, by `type id`. */
  lines: Map<string, number>;
  /** Whether the run has ended well. */
  isCompleted: boolean;
}

/** Reads what a journal has, of which the last line may be torn. */
export function readJournal(text: string): Journalled {
  const over = new Set<string>();
  const lines = new Map<string, number>();
  const episodes = new Map<number, string>();
  let isCompleted = false;
  for (const line of text.split("\n").slice(0, -1)) {
    const record = JSON.parse(line);
    const { type, id, episode_id: episode, origin_event_id: origin, termination } = record;
    isCompleted = type === "ended" && record.state === "Completed";
    if (type === "decision" && origin !== null) {
      episodes.set(episode, nodeOfEvent(origin));
      const isOver = record.decision === "Finish" && termination !== "Aborted";
      if (isOver) over.add(nodeOfEvent(origin));
    } else if (type === "completion" && termination === "Completed") {
      over.add(episodes.get(episode)!);
    } else if (type === "wait" || type === "waited" || type === "record") {
      lines.set(`${type} ${id}`, 1 + (lines.get(`${type} ${id}`) ?? 0));
    }
  }
  return { over, lines, isCompleted };
}

/** The steps whose failure ends their program, which are made again. */
export function fragileSteps({ main }: PlannedProgram): Set<string> {
  const fragile = [...partsOf(main)].filter((part) => part.op === "step" && part.isFragile);
  return new Set(fragile.map((part) => (part as { id: string }).id));
}

/** What the program has learned, which is always the same. */
export function learnedIn(effects: readonly Effect[]): Learned {
  const learned: Learned = new Map();
  for (const { kind, id, what } of effects) {
    if (kind !== "learned") continue;
    const before = learned.get(id) ?? what;
    assertEquals(what, before, `${id} was another thing before`);
    learned.set(id, what);
  }
  return learned;
}

/** Nothing runs again whose end was recorded, or learned. */
export function checkNothingAgain(
  effects: readonly Effect[],
  over: ReadonlySet<string>,
  { from }: { from: number },
): void {
  const learned = new Set(
    effects.slice(0, from).flatMap(({ kind, id }) => kind === "learned" ? id : []),
  );
  for (const { kind, id, what } of effects.slice(from)) {
    if (kind === "learned") learned.add(id);
    if (kind === "problem") throw new Error(`${id}: ${what}`);
    if (kind !== "begin") continue;
    assert(!over.has(id), `${id} ran again (attempt ${what}), and its end was recorded`);
    assert(
      !learned.has(id),
      `${id} ran again (attempt ${what}), and the program had learned of it`,
    );
  }
}

/** The numbers of the attempts at each step that were begun, which only grow. */
export function attemptsIn(effects: readonly Effect[]): Map<string, number[]> {
  const attempts = new Map<string, number[]>();
  for (const { kind, id, what } of effects) {
    if (kind !== "begin") continue;
    const numbers = attempts.get(id) ?? [];
    attempts.set(id, numbers);
    assert(Number(what) > (numbers.at(-1) ?? 0), `${id}: attempt ${what} behind ${numbers}`);
    numbers.push(Number(what));
  }
  return attempts;
}

/** The program came to what it would have come to by itself, and its journal has all once. */
export function checkOutcome(
  outcome: Outcome,
  { value, effects, journal, mayRepeat = false }: {
    value: unknown;
    effects: readonly Effect[];
    journal: Journalled;
    /** Whether the number of an attempt may have been lost, as a power cut does it. */
    mayRepeat?: boolean;
  },
): void {
  assertEquals(learnedIn(effects), outcome.learned);
  assertEquals(value, outcome.value);
  const begun = effects.flatMap(({ kind, id }) => kind === "begin" ? id : []);
  const made = new Set(mayRepeat ? begun : attemptsIn(effects).keys());
  const expected = new Set([...outcome.attempts.keys(), ...outcome.submitted]);
  for (const id of made) assert(expected.has(id), `${id} ran, and nobody asks for it`);
  for (const id of expected) assert(journal.over.has(id), `${id} is not over`);
  const waits = [...outcome.waits].flatMap((id) => [`wait ${id}`, `waited ${id}`]);
  const lines = [...waits, ...[...outcome.records].map((id) => `record ${id}`)];
  const extra = [...journal.lines].filter(([line]) => !/#\d+$/.test(line));
  assertEquals(new Map(extra), new Map(lines.map((line) => [line, 1])));
}

/**
 * Each attempt that was begun is in the log with one begin and one end, and nothing is there twice; those that
 * were cut off count for the failure that the program has learned of.
 */
export function checkAttempts(events: readonly LogEvent[], effects: readonly Effect[]): void {
  const keyOf = ({ node_id: id, attempt }: LogEvent) => `${id} ${attempt}`;
  const begun = events.filter(({ type }) => type === "node.started").map(keyOf);
  const known = new Set(begun);
  assertEquals(known.size, begun.length);
  const ends = events.filter(isEndOfAttempt).map(keyOf);
  assertEquals(ends.toSorted(), begun.toSorted());
  for (const { kind, id, what } of effects) {
    const logged = events.filter((event) => event.node_id === id && event.type === "node.started");
    if (kind !== "attempts" || logged.length === 0) continue;
    assertEquals(Number(what), Math.max(...logged.map(({ attempt }) => attempt!)), id);
  }
  for (const [id, numbers] of attemptsIn(effects)) {
    for (const number of numbers) {
      assert(known.has(`${id} ${number}`), `${id} ${number} is not in the log`);
    }
  }
}

function isEndOfAttempt({ type, error }: LogEvent): boolean {
  return type === "node.completed" || (type === "node.failed" && error?.kind !== "gate_failed");
}
