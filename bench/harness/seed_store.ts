/**
 * One operation of the store as the seed's program does it: the same calls in the same order, with the same
 * syncs. Only its unbuffered serialising, which makes 520 writes of one `send_input` (W-FRS-4), is not
 * imitated: here each file is one write, which is kinder to it.
 */

const encoder = new TextEncoder();

/** The shape of what is written; only its size matters. */
interface SeedWorker {
  id: string;
  directory: string;
  entries: number;
  lastEventId: number;
}

/** A runtime of the seed's. */
export class SeedStore {
  readonly #directory: string;
  readonly #workers: SeedWorker[] = [];
  #temps = 0;
  #nextEventId = 1;

  /** Creates a runtime with so many workers in a directory. */
  constructor(root: string, workers: number) {
    this.#directory = `${root}/runtimes/id-62656e6368`;
    Deno.mkdirSync(`${this.#directory}/workers`, { recursive: true });
    for (let index = 1; index <= workers; index++) {
      const id = `worker-${index.toString(16).padStart(8, "0")}`;
      const directory = `${this.#directory}/workers/${id}`;
      Deno.mkdirSync(directory);
      this.#workers.push({ id, directory, entries: 0, lastEventId: this.#nextEventId++ });
    }
  }

  /** WRT-5: runtime.json, worker.json and its transcript, one event, one entry; seven syncs. */
  sendInput(index: number, content: string): void {
    const worker = this.#workers[index % this.#workers.length]!;
    const eventId = this.#nextEventId++;
    worker.lastEventId = eventId;
    worker.entries++;
    this.#replace(this.#directory, "runtime.json", this.#runtimeSnapshot());
    this.#replace(worker.directory, "worker.json", this.#workerSnapshot(worker));
    ensureFile(`${worker.directory}/transcript.jsonl`);
    const ref = { runtime_id: "bench", worker_id: worker.id };
    append(`${this.#directory}/events.jsonl`, {
      id: eventId,
      worker_ref: ref,
      kind: { kind: "worker_input_accepted" },
      message: "worker input accepted",
    });
    append(`${worker.directory}/transcript.jsonl`, {
      sequence: worker.entries,
      worker_ref: ref,
      role: "user",
      content,
      event_id: eventId,
    });
  }

  #runtimeSnapshot(): unknown {
    return {
      schema_version: 1,
      runtime_id: "bench",
      display_name: null,
      backend: "fs_store",
      status: "running",
      limits: { max_transcript_projection_items: 256, max_event_batch_items: 256 },
      next_worker_sequence: this.#workers.length + 1,
      next_event_id: this.#nextEventId,
      next_diagnostic_id: 2 * this.#workers.length + 1,
      config_bundles: {},
      diagnostics: this.#workers.flatMap(({ id }, index) => diagnosticsOf(id, 2 * index + 1)),
    };
  }

  #workerSnapshot({ id, entries, lastEventId }: SeedWorker): unknown {
    return {
      schema_version: 1,
      worker_ref: { runtime_id: "bench", worker_id: id },
      worker_id: id,
      status: "running",
      request: { intent: { kind: "assistant" }, profile: { kind: "runtime_default" } },
      next_transcript_sequence: entries + 1,
      last_event_id: lastEventId,
    };
  }

  /** FRS-11: temp file, fsync, rename, fsync of the directory. */
  #replace(directory: string, name: string, value: unknown): void {
    const temp = `${directory}/.${name}.tmp-${Deno.pid}-${this.#temps++}`;
    const file = Deno.openSync(temp, { write: true, createNew: true });
    file.writeSync(encoder.encode(JSON.stringify(value, null, 2) + "\n"));
    file.syncSync();
    file.close();
    Deno.renameSync(temp, `${directory}/${name}`);
    const parent = Deno.openSync(directory);
    parent.syncSync();
    parent.close();
  }
}

function diagnosticsOf(workerId: string, id: number): unknown[] {
  const ref = { runtime_id: "bench", worker_id: workerId };
  const both = [
    [
      "runtime.local_default_resources",
      "worker created without ConfigBundleRef; runtime-local defaults are assumed",
    ],
    ["worker.tools_less", "worker created without requested tool capabilities"],
  ];
  return both.map(([code, message], index) => ({
    id: id + index,
    severity: "info",
    code,
    message,
    worker_ref: ref,
  }));
}

/** FRS-12: create if absent, fsync. */
function ensureFile(path: string): void {
  const file = Deno.openSync(path, { write: true, create: true });
  file.syncSync();
  file.close();
}

/** FRS-13: open, write, fsync. */
function append(path: string, value: unknown): void {
  const file = Deno.openSync(path, { append: true, create: true });
  file.writeSync(encoder.encode(JSON.stringify(value) + "\n"));
  file.syncSync();
  file.close();
}
