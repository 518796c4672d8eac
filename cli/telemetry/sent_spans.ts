/**
 * Sends the spans of a run to where the environment says. What is always true:
 *
 * - **The run waits for nobody**: spans are sent behind it, and at its end for a bounded time, or until somebody wants
 *   the command to be gone.
 * - **What cannot be sent is one line at the end**, which holds no value of a header.
 * - **A span has the same ids whoever makes it**: they are made of the run's id, which no other run has, and of what it
 *   stands for. So what a killed process could not tell, the one that goes on with the run tells in its place.
 */
import { reasonOf } from "../../_internal/text.ts";
import { VERSION } from "../../_internal/version.ts";
import { RunSpans } from "../../run/spans/run_spans.ts";
import type { Tracer } from "../../run/spans/telemetry.ts";
import { hashValue } from "../../trace/hash_value.ts";
import { headerSecrets } from "../flow/secrets.ts";
import { SecretMask } from "../process/secret_mask.ts";
import { counted } from "../text/printable.ts";
import { type OtlpTarget, otlpTarget } from "./otel_variables.ts";
import type { CommandRun, CommandSpans } from "./types.ts";
import type { IdGenerator, ReadableSpan, SpanExporter, SpanProcessor } from "./otlp_driver.ts";

/** How long the end of the command waits for a backend, where nobody says it. */
const PATIENCE_MS = 3000;
/** How soon what has ended is sent: what is killed in between is made again by nobody. */
const DELAY_MS = 1000;
/** Of a large flow more ends in that time than the SDK would keep. */
const MOST_WAITING = 16_384;
const MOST_SENT = 1024;

type Driver = typeof import("./otlp_driver.ts");

/** Makes the spans of a run, and sends them. */
export async function openSentSpans(run: CommandRun): Promise<CommandSpans> {
  const target = otlpTarget();
  const mask = new SecretMask(headerSecrets());
  const tell = (problem: string) => {
    run.note(`Cannot send the spans of ${run.runId}: ${mask.text(problem)}; its records are whole`);
  };
  if ("problem" in target) return telling(() => tell(target.problem));
  try {
    const driver = await import("./otlp_driver.ts");
    const sending = new Sending(driver, { target, runId: run.runId });
    const follower = new RunSpans(run, sending);
    return { follower, [Symbol.asyncDispose]: () => sending.end(run.kill, tell) };
  } catch (error) {
    return telling(() => tell(reasonOf(error)));
  }
}

/** Makes no spans, and says at the end why. */
function telling(tell: () => void): CommandSpans {
  return {
    follower: undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(tell()),
  };
}

/** The way of spans to a backend. */
class Sending {
  readonly tracer: Tracer;
  readonly naming: (what: string) => void;
  readonly #target: OtlpTarget;
  readonly #provider: { forceFlush(): Promise<void>; shutdown(): Promise<void> };
  readonly #count: Count;

  constructor(driver: Driver, { target, runId }: { target: OtlpTarget; runId: string }) {
    this.#target = target;
    const ids = new NamedIds(runId);
    this.naming = (what) => ids.name(what);
    const timeoutMillis = target.timeoutMs ?? PATIENCE_MS;
    const Exporter = target.protocol === "http/json"
      ? driver.JsonExporter
      : driver.ProtobufExporter;
    const count = this.#count = new Count(new Exporter({ timeoutMillis }));
    const batches = new driver.BatchSpanProcessor(count.exporter, batchSizes());
    const provider = new driver.BasicTracerProvider({
      resource: resourceOf(driver),
      idGenerator: ids,
      spanProcessors: [count, batches],
    });
    this.#provider = provider;
    this.tracer = provider.getTracer("@taffrail/taffrail", VERSION) as unknown as Tracer;
  }

  /** Sends what is left, and says what could not be sent. */
  async end(kill: AbortSignal, tell: (problem: string) => void): Promise<void> {
    const { shown, timeoutMs = PATIENCE_MS } = this.#target;
    const flushed = this.#provider.forceFlush().catch((error) => this.#count.fail(error));
    const isFlushed = await soonEnough(flushed, timeoutMs, kill);
    const { lost } = this.#count;
    if (lost === 0) return;
    const why = this.#count.problem ?? (isFlushed ? "they were too many at once" : "no answer");
    tell(`${counted(lost, "span")} did not reach ${shown} (${why})`);
  }
}

/** What the environment says of these goes before what is said here. */
function batchSizes() {
  const unlessSaid = (name: string, value: number) => Deno.env.get(name) ? undefined : value;
  const sizes = {
    scheduledDelayMillis: unlessSaid("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS),
    maxQueueSize: unlessSaid("OTEL_BSP_MAX_QUEUE_SIZE", MOST_WAITING),
    maxExportBatchSize: unlessSaid("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", MOST_SENT),
  };
  return Object.fromEntries(Object.entries(sizes).filter(([, value]) => value !== undefined));
}

/** What makes the spans; the environment may name it otherwise, and say more. */
function resourceOf(
  { defaultResource, detectResources, envDetector, resourceFromAttributes }: Driver,
) {
  const own = { "service.name": "taffrail", "service.version": VERSION };
  return defaultResource()
    .merge(resourceFromAttributes(own))
    .merge(detectResources({ detectors: [envDetector] }));
}

/** Whether something is done in time, and before somebody wants to be gone. */
async function soonEnough(
  done: Promise<unknown>,
  withinMs: number,
  kill: AbortSignal,
): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const giveUp = () => late.resolve(false);
  const timer = setTimeout(giveUp, withinMs);
  kill.addEventListener("abort", giveUp, { once: true });
  if (kill.aborted) giveUp();
  try {
    return await Promise.race([done.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
    kill.removeEventListener("abort", giveUp);
  }
}

/** Makes ids of a run's own id and of what a span stands for. */
class NamedIds implements IdGenerator {
  readonly #runId: string;
  #what = "";

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** The next span stands for this. */
  name(what: string): void {
    this.#what = what;
  }

  generateTraceId(): string {
    return hashValue(["trace", this.#runId]).value.slice(0, 32);
  }

  generateSpanId(): string {
    return hashValue(["span", this.#runId, this.#what]).value.slice(0, 16);
  }
}

/** Counts what has ended and what was taken by the backend: what is between is lost. */
class Count implements SpanProcessor {
  readonly exporter: SpanExporter;
  #ended = 0;
  #sent = 0;
  #problem: string | undefined;

  constructor(exporter: SpanExporter) {
    this.exporter = {
      export: (spans, onDone) => {
        exporter.export(spans, (result) => {
          if (result.code === SENT) this.#sent += spans.length;
          else this.fail(result.error);
          onDone(result);
        });
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
    };
  }

  /** How many spans have ended and were not sent. */
  get lost(): number {
    return this.#ended - this.#sent;
  }

  /** Why some could not be sent; undefined where nothing has said so. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Something could not be sent. */
  fail(error: unknown): void {
    this.#problem ??= problemOf(error);
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    // What is not sampled is not to be sent.
    if ((span.spanContext().traceFlags & 1) === 1) this.#ended++;
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** What the SDK calls a success. */
const SENT = 0;

/** What went wrong, in a few words: an answer may be a page. */
function problemOf(error: unknown): string {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "number") return `the answer was ${code} ${String(message ?? "")}`.trim();
  return reasonOf(error).split("\n")[0]!;
}
