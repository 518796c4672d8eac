/** The runtime that {@linkcode writeSampleStore} writes. */
export const RUNTIME_ID = "bench";

const CHUNK = 20_000;
const encoder = new TextEncoder();

function directoryNameOf(id: string): string {
  const bytes = encoder.encode(id);
  return `id-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function refOf(worker: number): { runtime_id: string; worker_id: string } {
  const id = `worker-${(worker + 1).toString(16).padStart(8, "0")}`;
  return { runtime_id: RUNTIME_ID, worker_id: id };
}

/** A file that is written line by line, in large pieces. */
class LineWriter implements Disposable {
  readonly #file: Deno.FsFile;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = Deno.openSync(path, { write: true, createNew: true, mode: 0o600 });
  }

  add(value: unknown): void {
    this.#lines.push(JSON.stringify(value) + "\n");
    if (this.#lines.length === CHUNK) this.#flush();
  }

  #flush(): void {
    const bytes = encoder.encode(this.#lines.join(""));
    for (let at = 0; at < bytes.length;) at += this.#file.writeSync(bytes.subarray(at));
    this.#lines = [];
  }

  [Symbol.dispose](): void {
    this.#flush();
    this.#file.close();
  }
}

function writeSnapshot(path: string, value: unknown): void {
  Deno.writeTextFileSync(path, JSON.stringify(value, null, 2) + "\n", { mode: 0o600 });
}

/**
 * Writes a closed runtime as the seed's program leaves it, with so many workers and so many events, of
 * which all but a few tell of an input, and returns the path of its events.
 */
export function writeSampleStore(
  root: string,
  { workers, events }: { workers: number; events: number },
): string {
  const directory = `${root}/runtimes/${directoryNameOf(RUNTIME_ID)}`;
  const workerPath = (worker: number) =>
    `${directory}/workers/${directoryNameOf(refOf(worker).worker_id)}`;
  for (let worker = 0; worker < workers; worker++) {
    Deno.mkdirSync(workerPath(worker), { recursive: true });
  }
  writeEvents(`${directory}/events.jsonl`, { workers, events });
  for (let worker = 0; worker < workers; worker++) {
    writeWorker(workerPath(worker), worker, { workers, events });
  }
  writeSnapshot(`${directory}/runtime.json`, {
    schema_version: 1,
    runtime_id: RUNTIME_ID,
    display_name: null,
    backend: "fs_store",
    status: "running",
    limits: { max_transcript_projection_items: 256, max_event_batch_items: 256 },
    next_worker_sequence: workers + 1,
    next_event_id: events + 1,
    next_diagnostic_id: 1,
    config_bundles: {},
    diagnostics: [],
  });
  return `${directory}/events.jsonl`;
}

/** Event 1 starts the runtime, one each creates a worker, and the others go round them. */
function writeEvents(path: string, { workers, events }: { workers: number; events: number }): void {
  using log = new LineWriter(path);
  log.add({ id: 1, kind: { kind: "runtime_started" }, message: "runtime started" });
  for (let id = 2; id <= events; id++) {
    const ref = refOf((id - 2) % workers);
    const created = id - 2 < workers;
    log.add({
      id,
      worker_ref: ref,
      kind: { kind: created ? "worker_created" : "worker_input_accepted" },
      message: created ? `worker ${ref.worker_id} created` : "worker input accepted",
    });
  }
}

function writeWorker(
  path: string,
  worker: number,
  { workers, events }: { workers: number; events: number },
): void {
  const ref = refOf(worker);
  let sequence = 1;
  let lastEventId = worker + 2;
  {
    using transcript = new LineWriter(`${path}/transcript.jsonl`);
    for (let eventId = lastEventId + workers; eventId <= events; eventId += workers) {
      transcript.add({
        sequence,
        worker_ref: ref,
        role: "user",
        content: `input ${sequence}`,
        event_id: eventId,
      });
      sequence++;
      lastEventId = eventId;
    }
  }
  writeSnapshot(`${path}/worker.json`, {
    schema_version: 1,
    worker_ref: ref,
    worker_id: ref.worker_id,
    status: "running",
    request: { intent: { kind: "assistant" }, profile: { kind: "runtime_default" } },
    next_transcript_sequence: sequence,
    last_event_id: lastEventId,
  });
}
