import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import type { FilePort } from "../../_internal/file_port.ts";
import {
  type FsRuntimeStore,
  RuntimeStoreError,
  type Transaction,
  verifyStore,
  type WorkerRuntime,
} from "../../store/mod.ts";
import { openStoreOnPort } from "../../store/runtime/fs_runtime_store.ts";
import { openRuntimeOnPort } from "../../store/runtime/worker_runtime.ts";
import type { WorkerRef } from "../../store/types.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { namesIn } from "../_util/files.ts";
import { hastyFilePort } from "../_util/hasty_port.ts";
import { type Operation, Refusal, RuntimeModel } from "./_model.ts";
import { type Readable, readEvents, readTranscript, readWorkers } from "./_read.ts";
import { directoryNameOf } from "./_wire.ts";

/** What the tests of the store share: a runtime driven by operations, and compared with the model. */

export const RUNTIME_ID = "rt-1";
export const DISPLAY_NAME = "demo";

/** The runtime's directory, or something in it. */
export function pathOf(root: string, name = ""): string {
  return `${root}/runtimes/${directoryNameOf(RUNTIME_ID)}${name === "" ? "" : `/${name}`}`;
}

/** A worker's directory, or something in it. */
export function workerPathOf(root: string, workerId: string, name = ""): string {
  return pathOf(root, `workers/${directoryNameOf(workerId)}${name === "" ? "" : `/${name}`}`);
}

/** The reference of the n-th worker. */
export function workerRef(n: number): WorkerRef {
  return { runtime_id: RUNTIME_ID, worker_id: `worker-${n.toString(16).padStart(8, "0")}` };
}

/** A model of the runtime that {@linkcode openRuntime} opens in an empty directory. */
export function newModel(): RuntimeModel {
  return new RuntimeModel({ runtimeId: RUNTIME_ID, displayName: DISPLAY_NAME });
}

/** Opens the runtime on any port. */
export function openRuntime(
  root: string,
  options: { port?: FilePort; checkpointMutations?: number; durability?: "os" | "disk" } = {},
): Promise<WorkerRuntime> {
  const { port = hastyFilePort, checkpointMutations, durability = "disk" } = options;
  const what = { root, runtimeId: RUNTIME_ID, displayName: DISPLAY_NAME, durability };
  return openRuntimeOnPort(port, what, {
    ...(checkpointMutations !== undefined && { checkpointMutations }),
  });
}

/** Opens the runtime for reading on any port. */
export function openStore(
  root: string,
  { port = hastyFilePort }: { port?: FilePort } = {},
): Promise<FsRuntimeStore> {
  return openStoreOnPort(port, { root, runtimeId: RUNTIME_ID, readOnly: true });
}

/** Does one mutation; the answer as JSON text, comparable with the model's. */
export async function perform(runtime: WorkerRuntime, operation: Operation): Promise<string> {
  return answerOf(operation, await call(runtime, operation));
}

/** Does mutations as one transaction; the answers as JSON texts. */
export function performAll(
  runtime: WorkerRuntime,
  operations: readonly Operation[],
): Promise<string[]> {
  return runtime.transaction((transaction) =>
    operations.map((operation) => answerOf(operation, call(transaction, operation)))
  );
}

function call(runtime: WorkerRuntime | Transaction, operation: Operation): unknown {
  switch (operation.do) {
    case "createWorker":
      return runtime.createWorker(operation.request);
    case "sendInput":
      return runtime.sendInput(operation.ref, operation.input);
    case "stopWorker":
      return runtime.stopWorker(operation.ref, operation.reason);
    case "cancelWorker":
      return runtime.cancelWorker(operation.ref, operation.reason);
    case "stopRuntime":
      return runtime.stopRuntime();
    case "storeConfigBundle":
      return runtime.storeConfigBundle(operation.bundle);
  }
}

function answerOf(operation: Operation, answer: unknown): string {
  if (operation.do !== "storeConfigBundle") return JSON.stringify(answer);
  return JSON.stringify((answer as { reference: unknown }).reference);
}

/** Writes a runtime as the seed's program leaves it. */
export function writeSeedFiles(root: string, model: RuntimeModel): void {
  for (const [path, text] of model.files()) {
    const file = `${root}/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(file, text);
  }
  Deno.mkdirSync(pathOf(root, "workers"), { recursive: true });
}

/** Everything that readers see of a runtime, each part as JSON text. */
export interface Seen {
  summary: string;
  workers: string[];
  details: string[];
  events: string[];
  transcripts: string[][];
  /** The references of the bundles. */
  bundles: string[];
}

/** What readers must see. */
export function seenIn(model: RuntimeModel): Seen {
  return {
    summary: model.summary(),
    workers: model.workerSummaries(),
    details: model.refs.map((ref) => model.workerDetail(ref)),
    events: model.events(),
    transcripts: model.refs.map((ref) => model.transcript(ref)),
    bundles: model.bundles.map(({ metadata: { id, digest } }) => JSON.stringify({ id, digest }))
      .sort(),
  };
}

/** What readers see, page by page. */
export async function look(
  runtime: Readable,
  page = 100,
): Promise<Seen> {
  const workers = await readWorkers(runtime, page);
  const refs = workers.map(({ worker_ref }) => worker_ref);
  const details: string[] = [];
  const transcripts: string[][] = [];
  for (const ref of refs) {
    details.push(JSON.stringify(await runtime.workerDetail(ref)));
    transcripts.push(
      (await readTranscript(runtime, ref, page)).map((entry) => JSON.stringify(entry)),
    );
  }
  return {
    summary: JSON.stringify(await runtime.summary()),
    workers: workers.map((worker) => JSON.stringify(worker)),
    details,
    events: (await readEvents(runtime, RUNTIME_ID, page)).map((event) => JSON.stringify(event)),
    transcripts,
    bundles: runtime.listConfigBundles()
      .map(({ id, digest }) => JSON.stringify({ id, digest })).sort(),
  };
}

/** What a refused mutation is refused with begins as the seed's message does. */
export function assertRefusal(error: unknown, refusal: unknown): void {
  assertInstanceOf(refusal, Refusal);
  assertInstanceOf(error, RuntimeStoreError);
  assert(error.message.startsWith(refusal.message), `${error.message} for ${refusal.message}`);
}

/** Does a mutation to both, which must agree on the answer or on the refusal. */
export async function performBoth(
  runtime: WorkerRuntime,
  model: RuntimeModel,
  operation: Operation,
): Promise<void> {
  let expected: string;
  try {
    expected = model.apply(operation);
  } catch (refusal) {
    const error = await perform(runtime, operation).then(() => undefined, (error) => error);
    return assertRefusal(error, refusal);
  }
  assertEquals(await perform(runtime, operation), expected);
}

/** After a close the directory holds the seed's files, byte for byte, and nothing that it refuses. */
export function assertSeedFiles(root: string, model: RuntimeModel): void {
  const expected = model.files();
  for (const [path, text] of expected) assertEquals(Deno.readTextFileSync(`${root}/${path}`), text);
  const directories = model.refs.map(({ worker_id }) => directoryNameOf(worker_id)).sort();
  assertEquals(namesIn(pathOf(root, "workers")), directories);
  for (const { worker_id } of model.refs) {
    assertEquals(namesIn(workerPathOf(root, worker_id)), [
      "transcript.jsonl",
      "worker.json",
    ]);
  }
  const leftOver = namesIn(pathOf(root)).filter((name) => !KNOWN_NAMES.includes(name));
  assertEquals(leftOver, [], "nothing else is left in the runtime's directory");
}

const KNOWN_NAMES = ["runtime.json", "events.jsonl", "workers", "owner.lock"];

/** `verifyStore` finds nothing. */
export async function assertClean(root: string): Promise<void> {
  const { ok, problems } = await verifyStore(root);
  assertEquals({ ok, problems }, { ok: true, problems: [] });
}

/** A runtime whose process can be killed: without a close, its handles are gone. */
export class KillableRuntime {
  readonly #port: FaultPort;
  readonly runtime: WorkerRuntime;

  private constructor(port: FaultPort, runtime: WorkerRuntime) {
    this.#port = port;
    this.runtime = runtime;
  }

  static async open(
    root: string,
    checkpointMutations: number,
    durability: "os" | "disk" = "disk",
  ): Promise<KillableRuntime> {
    const port = new FaultPort({ base: hastyFilePort });
    const options = { port, checkpointMutations, durability };
    return new KillableRuntime(port, await openRuntime(root, options));
  }

  kill(): void {
    this.#port.cutNow();
    this.#port.closeAll();
  }
}
