/**
 * What of OpenTelemetry is used, by its shape: the API is found where every copy of it registers itself, so that nothing
 * of it is imported, and what is registered may be of the npm packages, of Deno (`OTEL_DENO=true`), or of a test.
 */

import { API } from "../engine/followed.ts";

/** Where a span stands in a distributed trace. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  /** 1 when it is sampled. */
  readonly traceFlags: number;
  readonly isRemote?: boolean;
  readonly traceState?: TraceState;
}

/** What tracing systems have to say to each other. */
export interface TraceState {
  get(key: string): string | undefined;
  set(key: string, value: string): TraceState;
  unset(key: string): TraceState;
  serialize(): string;
}

/** What is told of a span or an event by names. */
export type Attributes = Record<string, string | number | boolean>;

/** A span that is being made. */
export interface Span {
  spanContext(): SpanContext;
  setAttribute(name: string, value: Attributes[string]): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  addEvent(name: string, attributes: Attributes, at: number): unknown;
  end(at?: number): void;
}

/** Another span that has something to do with one, and what. */
export interface SpanLink {
  context: SpanContext;
  attributes: Attributes;
}

/** What carries the active span. */
export interface Context {
  getValue(key: symbol): unknown;
  setValue(key: symbol, value: unknown): Context;
  deleteValue(key: symbol): Context;
}

/** Makes spans. */
export interface Tracer {
  startSpan(
    name: string,
    options: {
      kind?: number;
      startTime: number;
      attributes: Attributes;
      links?: SpanLink[];
      root?: boolean;
    },
    context: Context,
  ): Span;
}

/** Knows the active context, and makes another one so for a call and all that comes of it. */
export interface ContextManager {
  active(): Context;
  with<T>(context: Context, call: () => T): T;
}

/** With what spans are made. */
export interface Telemetry {
  tracer: Tracer;
  /** Undefined where nobody has registered one: then nothing is active. */
  contexts?: ContextManager | undefined;
  /**
   * Told before each span what it stands for, in words that are the same in whatever process: its ids may be made of
   * them, and so one that was killed with its process can be made again. Left out where a tracer chooses its ids.
   */
  naming?: ((what: string) => void) | undefined;
}

/** The key by which all copies of the API keep the active span in a context. */
export const SPAN_KEY = Symbol.for("OpenTelemetry Context Key SPAN");

/** What is registered. */
interface Registered {
  trace?: { getTracer?(name: string, version: string): Tracer };
  context?: Partial<ContextManager>;
}

/** With what the spans of this process are made; undefined where nobody has registered it. */
export function registeredTelemetry(version: string): Telemetry | undefined {
  const { trace, context } = Reflect.get(globalThis, API) as Registered;
  const tracer = trace?.getTracer?.("@taffrail/taffrail", version);
  if (tracer === undefined) return undefined;
  const isManager = typeof context?.active === "function" && typeof context.with === "function";
  return { tracer, contexts: isManager ? context as ContextManager : undefined };
}

/** A context with nothing in it, for where there is no manager of contexts. */
export class EmptyContext implements Context {
  readonly #values: ReadonlyMap<symbol, unknown>;

  constructor(values: ReadonlyMap<symbol, unknown> = new Map()) {
    this.#values = values;
  }

  getValue(key: symbol): unknown {
    return this.#values.get(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return new EmptyContext(new Map([...this.#values, [key, value]]));
  }

  deleteValue(key: symbol): Context {
    return new EmptyContext(new Map([...this.#values].filter(([known]) => known !== key)));
  }
}

/** A span of another process, as the parent of one of ours. */
export function remoteSpan(context: SpanContext): Span & { isRecording(): boolean } {
  const span = {
    spanContext: () => context,
    isRecording: () => false,
    setAttribute: () => span,
    setStatus: () => span,
    addEvent: () => span,
    end: () => {},
  };
  return span;
}
