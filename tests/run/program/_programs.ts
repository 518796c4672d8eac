/**
 * What the tests of durable programs need: a world in which programs do things and which outlives them, roots
 * that say when something is written, and what a journal says.
 */
import { assert } from "@std/assert";
import { runPaths } from "../../../_internal/root_layout.ts";
import {
  type HeldRun,
  openFileRoot,
  openRun,
  type OpenRunOptions,
  type OutputRef,
  type Run,
  RunError,
  type RunErrorKind,
  type RunLines,
  type RunsRoot,
  type RunView,
  type StepContext,
} from "../../../run/mod.ts";
import type { RunDocument } from "../../../run/types.ts";
import type { Place } from "../_records.ts";

/** The run of nearly every test. */
export const RUN_ID = "demo-1";

/** Where that is. */
export function placeIn(root: string): Place {
  return { root, runId: RUN_ID };
}

/** Opens the run of nearly every test. */
export function open(root: string | RunsRoot, more: Partial<OpenRunOptions> = {}): Promise<Run> {
  return openRun({ root, name: "demo", runId: RUN_ID, ...more });
}

/** What the steps of a program did: `step 2` is the second attempt at one. */
export class World {
  readonly begun: string[] = [];

  /** Something is done by an attempt. */
  note({ stepId, attempt }: Pick<StepContext, "stepId" | "attempt">): void {
    this.begun.push(`${stepId} ${attempt}`);
  }

  /** A function that notes that it was called. */
  act<T>(value: T): (context: StepContext) => T {
    return (context) => {
      this.note(context);
      return value;
    };
  }

  /** The same, and fails. */
  fail(error: unknown): (context: StepContext) => never {
    return (context) => {
      this.note(context);
      throw error;
    };
  }

  /** The numbers of the attempts at a step. */
  attemptsAt(stepId: string): number[] {
    return this.begun.filter((name) => name.replace(/ \d+$/, "") === stepId)
      .map((name) => Number(/\d+$/.exec(name)![0]));
  }
}

/** A root whose runs tell of everything that is about to be written, and can refuse it. */
export class WatchedRoot implements RunsRoot {
  readonly #root: RunsRoot;
  readonly #onWrite: (what: string) => void;

  /** `onWrite`: told before each write; what it throws fails that. */
  constructor(root: string, onWrite: (what: string) => void) {
    this.#root = openFileRoot(root);
    this.#onWrite = onWrite;
  }

  get name(): string {
    return this.#root.name;
  }

  list(options?: Parameters<RunsRoot["list"]>[0]) {
    return this.#root.list(options);
  }

  async create(options: Parameters<RunsRoot["create"]>[0]): Promise<HeldRun> {
    return new WatchedRun(await this.#root.create(options), this.#onWrite);
  }

  async hold(runId: string, options?: Parameters<RunsRoot["hold"]>[1]): Promise<HeldRun> {
    return new WatchedRun(await this.#root.hold(runId, options), this.#onWrite);
  }

  view(runId: string): RunView {
    return this.#root.view(runId);
  }

  post(...args: Parameters<RunsRoot["post"]>): Promise<void> {
    return this.#root.post(...args);
  }

  receive(runId: string) {
    return this.#root.receive(runId);
  }

  remove(runId: string): Promise<void> {
    return this.#root.remove(runId);
  }

  sweep(): Promise<number> {
    return this.#root.sweep();
  }

  digestKey() {
    return this.#root.digestKey();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#root[Symbol.asyncDispose]();
  }
}

class WatchedRun implements HeldRun {
  readonly #held: HeldRun;
  readonly #onWrite: (what: string) => void;

  constructor(held: HeldRun, onWrite: (what: string) => void) {
    this.#held = held;
    this.#onWrite = onWrite;
  }

  get view(): RunView {
    return this.#held.view;
  }

  get token(): bigint {
    return this.#held.token;
  }

  get lost(): AbortSignal {
    return this.#held.lost;
  }

  append(lines: RunLines): Promise<void> {
    try {
      for (const texts of Object.values(lines)) {
        for (const text of texts) this.#onWrite(JSON.parse(text).type);
      }
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#held.append(lines);
  }

  barrier(options?: Parameters<HeldRun["barrier"]>[0]): Promise<void> {
    return this.#held.barrier(options);
  }

  async putDocument(name: RunDocument, bytes: Uint8Array | undefined): Promise<void> {
    this.#onWrite(name);
    await this.#held.putDocument(name, bytes);
  }

  openOutput(of: OutputRef, options: { maxBytes: number }) {
    this.#onWrite("output");
    return this.#held.openOutput(of, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }
}

/** A line of a journal, as far as tests look at it. */
export interface JournalLine extends Record<string, unknown> {
  type: string;
  id?: string;
}

/** The lines of a journal. */
export function journalOf({ root, runId }: Place): JournalLine[] {
  const lines = Deno.readTextFileSync(runPaths(root, runId).journal).split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line));
}

/** Those of one type, without what differs from run to run. */
export function linesOf(place: Place, type: string): Record<string, unknown>[] {
  return journalOf(place).filter((line) => line.type === type)
    .map(({ type: _, line: _line, at: _at, synced: _synced, ...rest }) => rest);
}

/** The ends of attempts that a journal has, by step: how, and with what. */
export function endsOf(place: Place): [id: string, end: Record<string, unknown>][] {
  const origins = new Map<unknown, string>();
  const ends: [string, Record<string, unknown>][] = [];
  for (const line of journalOf(place)) {
    if (line.type === "decision" && typeof line.origin_event_id === "string") {
      origins.set(line.episode_id, line.origin_event_id.replace(/#\d+$/, ""));
    }
    if (line.type !== "completion") continue;
    const { termination, end } = line as { termination?: unknown; end?: object };
    ends.push([origins.get(line.episode_id)!, { termination, ...end }]);
  }
  return ends;
}

/** The bytes of all files of a root, by path. */
export function filesIn(root: string): Map<string, string> {
  const files = new Map<string, string>();
  const walk = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) walk(path);
      else files.set(path.slice(root.length), Deno.readFileSync(path).join());
    }
  };
  walk(root);
  return files;
}

/** A copy of all files of a folder: what a process that is killed now leaves. */
export function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

/** What a promise rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  const value = await promise.then((value) => ({ value }), (error) => ({ error }));
  if ("error" in value) return value.error;
  throw new Error(`It resolved: ${JSON.stringify(value)}`);
}

/** The `RunError` that a promise rejects with, of this kind. */
export async function runErrorOf(
  promise: Promise<unknown>,
  kind: RunErrorKind,
): Promise<RunError> {
  const error = await errorOf(promise);
  assert(error instanceof RunError, String(error));
  assert(error.kind === kind, `${error.kind}: ${error.message}`);
  return error;
}
