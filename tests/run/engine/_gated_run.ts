/** Runs whose disk a test holds back, and the engine over them. All but that is real. */
import { denoFilePort } from "../../../_internal/file_port.ts";
import { RunFold } from "../../../eventlog/mod.ts";
import { RunEngine } from "../../../run/engine/run_engine.ts";
import type { EngineOptions, LeftRun } from "../../../run/engine/types.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import type { HeldRun, OutputRef, RunDocument, RunLines, RunView } from "../../../run/types.ts";
import { withMemoryDir } from "../../_util/temp.ts";
import { type LogEvent, logOf, type Place } from "../_records.ts";

type Stream = "capture" | "events" | "processes";

/** A held run that says what is done to it, and whose barriers and appends can be made to wait or to fail. */
export class GatedRun implements HeldRun {
  readonly view: RunView;
  readonly token: bigint;
  /** What was done, in order; whoever uses the run may note more. */
  readonly steps: string[] = [];
  /** Fails what is appended to this stream, as long as it is set. */
  failing: { stream: Stream; error: Error } | undefined;
  readonly #held: HeldRun;
  #gate: PromiseWithResolvers<void> | undefined;
  #asked = Promise.withResolvers<void>();
  /** Why a line of the journal could not be appended: no other comes behind it. */
  #failed: Error | undefined;
  /** What is appended from then on is refused. */
  #isLetGo = false;

  constructor(held: HeldRun) {
    this.#held = held;
    this.view = held.view;
    this.token = held.token;
  }

  get lost(): AbortSignal {
    return this.#held.lost;
  }

  /** From now on barriers wait. */
  close(): void {
    this.#gate = Promise.withResolvers();
    this.#gate.promise.catch(() => {});
    this.#asked = Promise.withResolvers();
  }

  /** Resolves when somebody waits for a barrier that is closed. */
  get waitedFor(): Promise<void> {
    return this.#asked.promise;
  }

  /** Lets all through that wait. */
  open(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  /** Has those fail that wait, and all that come. */
  fail(error: Error): void {
    this.#gate?.reject(error);
  }

  append(lines: RunLines): Promise<void> {
    if (this.#failed !== undefined && lines.capture !== undefined) {
      return Promise.reject(this.#failed);
    }
    for (const stream of ["capture", "events"] as const) {
      if (this.failing?.stream === stream && lines[stream] !== undefined) {
        if (stream === "capture") this.#failed = this.failing.error;
        return Promise.reject(this.failing.error);
      }
      if (this.#isLetGo) continue;
      for (const text of lines[stream] ?? []) this.steps.push(`${stream} ${wordsOf(text)}`);
    }
    return this.#held.append(lines);
  }

  async barrier(options?: { of?: readonly Stream[] }): Promise<void> {
    if (this.#gate !== undefined) {
      this.#asked.resolve();
      await this.#gate.promise;
    }
    await this.#held.barrier(options);
    this.steps.push("synced");
  }

  putDocument(name: RunDocument, bytes: Uint8Array | undefined): Promise<void> {
    return this.#held.putDocument(name, bytes);
  }

  openOutput(of: OutputRef, options: { maxBytes: number }) {
    return this.#held.openOutput(of, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isLetGo = true;
    await this.#held[Symbol.asyncDispose]();
  }
}

/** A line in few words. */
function wordsOf(text: string): string {
  const { type, decision, node_id: node, attempt } = JSON.parse(text);
  return [type, decision, node, node && attempt].filter((word) => word !== undefined).join(" ");
}

/** Runs `use` with a run of its own in memory. */
export async function withGatedRun(
  use: (held: GatedRun, place: Place) => Promise<void>,
): Promise<void> {
  await withMemoryDir(async (root) => {
    await using opened = openRootOnPort(denoFilePort, root);
    await using held = new GatedRun(await opened.create({ about: { name: "demo" } }));
    await use(held, { root, runId: held.view.runId });
  });
}

/** Holds a run again that nobody holds any more. */
export async function holdAgain({ root, runId }: Place): Promise<GatedRun> {
  return new GatedRun(await openRootOnPort(denoFilePort, root).hold(runId));
}

type Invoke = EngineOptions["invoke"];

/** What a test says of an engine; the rest is as in every test. */
export type EngineChoices = Partial<EngineOptions> & { invoke: Invoke };

function optionsOf(held: HeldRun, choices: EngineChoices): EngineOptions {
  return {
    held,
    name: "demo",
    nodes: [],
    constraints: { max_in_flight: 8, max_retries: 0 },
    runtimeProvenance: "none",
    isOutside: true,
    describe: (nodeId) => ({ kind: "command", name: `do ${nodeId}` }),
    onDecided: () => {},
    observer: { attemptBegan: () => {}, attemptEnded: () => {} },
    fold: new RunFold(),
    signal: new AbortController().signal,
    ...choices,
  };
}

/** Begins a run. */
export function beginEngine(held: HeldRun, choices: EngineChoices): RunEngine {
  return RunEngine.begin(optionsOf(held, choices));
}

/** Goes on with what another engine has left. */
export async function goOnEngine(
  held: HeldRun,
  place: Place,
  choices: EngineChoices,
  left: Partial<LeftRun> = {},
): Promise<{ engine: RunEngine; completed: Set<string> }> {
  const fold = new RunFold();
  for (const event of logOf(place)) fold.take(event);
  const options = optionsOf(held, { fold, ...choices });
  const how = { endLeftovers: async () => {}, ...left };
  const { engine, history: { completed } } = await RunEngine.goOn(options, how);
  return { engine, completed };
}

/** Ends the process of an engine, as far as the run can tell. */
export async function killEngine(engine: RunEngine, held: HeldRun): Promise<void> {
  await held[Symbol.asyncDispose]();
  await engine.breakOff(new Error("killed"));
}

/** A log in few words. */
export function outlineOf(events: readonly LogEvent[]): string[] {
  return events.map(({ type, node_id: node, attempt, reason }) => {
    return [type, node, attempt, reason].filter((word) => word !== undefined).join(" ");
  });
}
