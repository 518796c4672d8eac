/**
 * Makes the attempt of a job, as a command of this machine is run: by the same place, with the same variables. What is
 * different: values of secrets and of files of variables are this worker's own, what others have printed is fetched, and
 * what the command prints is put where the run is, by the token of the job.
 */
import { defined } from "../../_internal/errors.ts";
import { isWindows, join } from "../../_internal/path.ts";
import { reasonOf } from "../../_internal/text.ts";
import { pause } from "../../postgres/waiting.ts";
import { OutputPieces, type PutPiece } from "../../postgres/output_pieces.ts";
import { isServerAway } from "../../postgres/postgres_error.ts";
import type { JobSource } from "../../run/attempt_queue.ts";
import { AttemptOutputs } from "../../run/outputs.ts";
import type { AttemptEnd, HeldRun, RunsRoot, RunView } from "../../run/types.ts";
import { removeIfThere, resolve } from "../files.ts";
import { Programs } from "../flow/find_programs.ts";
import { type FlowNode, makeNode } from "../flow/flow.ts";
import { headerSecrets } from "../flow/secrets.ts";
import { CommandPlace, PASSWORD_VARIABLES } from "../process/command_place.ts";
import type { SignalTarget } from "../process/interrupts.ts";
import { DIGEST_OF_NOTHING, fetchOutput } from "../process/output_file.ts";
import { SecretMask } from "../process/secret_mask.ts";
import { listed } from "../text/printable.ts";
import { decodePayload, type JobAnswer, type JobPayload, type NeededOutput } from "./job.ts";
import type { TakenJob } from "./taken_job.ts";

/** How often a server that is away is asked again. */
const AWAY_MS = 500;

/** What a worker has, and its commands find. */
export interface WorkPlace {
  /** What it is called. */
  name: string;
  /** Its machine, where that may be told. */
  host: string | undefined;
  /** The folder that stands for that of any flow. */
  cwd: string;
  /** Variables that it has besides those of its environment; commands get those alone that their flow names. */
  variables: Readonly<Record<string, string>>;
  /** The commands that run, to which signals are passed on. */
  commands: Set<SignalTarget>;
}

/** With what a job is made. */
export interface JobPorts {
  place: WorkPlace;
  runs: Pick<RunsRoot, "name" | "view">;
  source: Pick<JobSource, "putOutput">;
  /** The process of its command is there. */
  onSpawned: () => void;
}

/** What came of a job, as far as its attempt tells. */
export type JobOutcome = AttemptEnd & Pick<JobAnswer, "notes">;

/** Makes the attempt of a job; it rejects when the job was lost. */
export async function attemptJob(job: TakenJob, ports: JobPorts): Promise<JobOutcome> {
  const { place: { name } } = ports;
  let payload: JobPayload;
  try {
    payload = decodePayload(job.claimed.payload);
  } catch (error) {
    return lacking(`${reasonOf(error)} (worker ${name})`);
  }
  const values = new Map(payload.from_env.map((key) => [key, valueOf(key, ports.place)]));
  const missing = [...values].filter(([, value]) => value === undefined).map(([key]) => key);
  if (missing.length > 0) {
    const remedy = "set it where the worker is started, or in a file that it gets by --env-file";
    return lacking(
      `Cannot run it on worker ${name}: it has no value for ${listed(missing)}: ${remedy}`,
    );
  }
  const env = { ...payload.env, ...Object.fromEntries(values) as Record<string, string> };
  return await runOn(job, { payload, env }, ports);
}

async function runOn(
  job: TakenJob,
  { payload, env }: { payload: JobPayload; env: Record<string, string> },
  ports: JobPorts,
): Promise<JobOutcome> {
  const { place, runs } = ports;
  const { runId, nodeId, attempt, token } = job.claimed;
  const node = makeNode({
    id: nodeId,
    run: payload.run,
    cwd: resolve(place.cwd, payload.cwd),
    env: { ...env, TAFFRAIL_JOB_TOKEN: String(token) },
    ...defined({ timeoutMs: payload.timeout_ms }),
    retry: { maxRetries: 0, delayMs: 0, factor: 1, notOn: payload.not_on },
  });
  const secrets = payload.secret.map((key) => env[key] ?? valueOf(key, place) ?? "");
  const mask = new SecretMask([...secrets, ...headerSecrets()]);
  const notes: string[] = [];
  using outputs = new FetchedOutputs(runs.view(runId), { payload, lost: job.lost });
  const command = new CommandPlace({
    held: heldBy(job, ports),
    nodes: new Map([[nodeId, node]]),
    mask: mask.isEmpty ? undefined : mask,
    findProgram: (node) => new Programs().find(node),
    root: runs.name,
    runId,
    maxOutputBytes: payload.max_output_bytes,
    graceMs: payload.grace_ms,
    kill: job.kill,
    commands: place.commands,
    note: (text) => notes.push(text),
    outputs,
    isNeeded: () => payload.needs_output,
  });
  try {
    const ended = await command.run({ nodeId, attempt, payload: {}, signal: job.stop });
    return { ...saying(ended, place.name), notes };
  } catch (error) {
    job.lost.throwIfAborted();
    // What cannot be kept of it is no fault of the worker: another one could not either.
    const message = `${reasonOf(error)} (worker ${place.name})`;
    return { termination: { Failed: "RuntimeError" }, end: { error: { message } }, notes };
  }
}

/** Keeps what the command of a job prints by its token; which process it is, is for this worker alone. */
function heldBy(
  job: TakenJob,
  { source, onSpawned }: JobPorts,
): Pick<HeldRun, "append" | "openOutput"> {
  const put: PutPiece = async ({ stream }, { number: piece, bytes, waits }) => {
    const of = { stream: stream as "out" | "err" | "times", piece, bytes, waits };
    if (await source.putOutput(job.claimed, of, job.lost)) return;
    job.lose("another worker has it, or its run is gone");
    throw job.lost.reason;
  };
  const outputs = new AttemptOutputs((of) => new OutputPieces(of, put));
  return {
    openOutput: (of, options) => outputs.open(of, options),
    append({ processes = [] }) {
      for (const line of processes) {
        const { pid, start_time: startTime } = JSON.parse(line);
        job.process = { pid, ...defined({ startTime }) };
      }
      onSpawned();
      return Promise.resolve();
    },
  };
}

/** The value of a variable: that of this worker's files, or of its environment. */
function valueOf(name: string, { variables }: WorkPlace): string | undefined {
  if (Object.hasOwn(variables, name)) return variables[name];
  // What opens the database is for nobody else, whoever asks for it.
  return PASSWORD_VARIABLES.includes(name) ? undefined : Deno.env.get(name);
}

/** What this worker has not is said with its name: another one may have it. */
function saying({ termination, end }: AttemptEnd, worker: string): AttemptEnd {
  const { error } = end;
  if (error?.kind !== "host_missing") return { termination, end };
  const message = `${error.message} (worker ${worker})`;
  return { termination, end: { ...end, error: { ...error, message } } };
}

function lacking(message: string): JobOutcome {
  const error = { message, kind: "host_missing" };
  return { termination: { Failed: "ValidationFailed" }, end: { duration_ms: 0, error }, notes: [] };
}

/** What others have printed, in files of their own that go with the job. */
class FetchedOutputs implements Disposable {
  readonly #view: RunView;
  readonly #payload: Pick<JobPayload, "outputs" | "unset">;
  readonly #paths = new Map<string, string>();
  readonly #lost: AbortSignal;
  #folder: string | undefined;

  constructor(
    view: RunView,
    { payload, lost }: { payload: Pick<JobPayload, "outputs" | "unset">; lost: AbortSignal },
  ) {
    this.#view = view;
    this.#lost = lost;
    this.#payload = payload;
  }

  /** Fetches them; says why the command cannot start where one is not as it was. */
  check(): Promise<string | undefined> | undefined {
    const { outputs } = this.#payload;
    if (outputs.length === 0) return undefined;
    return Promise.all(outputs.map((output) => this.#fetch(output)))
      .then((problems) => problems.find((problem) => problem !== undefined));
  }

  async #fetch({ name, node_id: nodeId, attempt, sha256 }: NeededOutput) {
    const expected = `sha256:${sha256}`;
    if (expected === DIGEST_OF_NOTHING) {
      this.#paths.set(name, isWindows ? "NUL" : "/dev/null");
      return undefined;
    }
    this.#folder ??= Deno.makeTempDirSync({ prefix: "taffrail-outputs-" });
    const path = join(this.#folder, name);
    this.#paths.set(name, path);
    const of = { nodeId, attempt, stream: "out" } as const;
    const problem = await this.#patiently(() => fetchOutput(this.#view, of, { expected, path }));
    return problem && `Cannot use what node ${nodeId} printed: it ${problem}; taffrail resume ` +
        `--rerun ${nodeId} makes it again`;
  }

  /** A server that is away comes back, or the job is lost. */
  async #patiently<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        this.#lost.throwIfAborted();
        if (!isServerAway(error)) throw error;
        await pause(AWAY_MS, this.#lost);
      }
    }
  }

  /** What the command finds of them. */
  variablesOf(_node: FlowNode) {
    return { env: Object.fromEntries(this.#paths), unset: this.#payload.unset, notes: [] };
  }

  /** Who holds the run knows what was printed by its answer. */
  add(): void {}

  [Symbol.dispose](): void {
    if (this.#folder !== undefined) removeIfThere(this.#folder);
  }
}
