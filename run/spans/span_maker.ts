/**
 * Begins and ends spans with whatever makes them. What is always true: nothing that is registered, and nothing that it
 * throws, is felt by who calls this; a span that could not be begun is undefined, and all goes on without it.
 */
import { shortenTo } from "../../_internal/text.ts";
import type { TraceParent } from "../attempt_queue.ts";
import {
  type Attributes,
  type Context,
  EmptyContext,
  remoteSpan,
  type Span,
  SPAN_KEY,
  type SpanContext,
  type SpanLink,
  type Telemetry,
} from "./telemetry.ts";
import { traceContextOf } from "./trace_context.ts";

/** A span that is open, and the context in which it is the active one. */
export interface OpenSpan {
  readonly span: Span;
  readonly context: Context;
}

/** What is told of a span when it begins. */
export interface SpanBegin {
  name: string;
  /** What the API calls its kind; inside of a process where that is left out. */
  kind?: number;
  /** When, in milliseconds since 1970. */
  from: number;
  attributes: Attributes;
  links?: SpanLink[];
  /** The span that it is a part of; undefined where it is of none. */
  within: OpenSpan | undefined;
}

/** What is told of a span when it ends. */
export interface SpanEnd {
  attributes: Attributes;
  /** What went wrong, where something did: its class, and why, for people. */
  error?: { type: string; reason: string } | undefined;
  /** What was thrown, where something was. */
  thrown?: { name?: string | undefined; message: string } | undefined;
  /** When, in milliseconds since 1970. */
  to: number;
}

/** The status of a span that stands for something that failed, as the API calls it. */
const ERROR = 2;
/** Backends cut long texts, or refuse them. */
const MOST_CHARACTERS = 1024;

/** Makes spans. */
export class SpanMaker {
  readonly #telemetry: Telemetry;
  readonly #base: Context;

  constructor(telemetry: Telemetry) {
    this.#telemetry = telemetry;
    this.#base = quietly(() => telemetry.contexts?.active()) ?? new EmptyContext();
  }

  /** Whether spans are known by what they stand for, whatever process makes them. */
  get hasNames(): boolean {
    return this.#telemetry.naming !== undefined;
  }

  /** The span in which the program is; undefined where it is in none. */
  get active(): OpenSpan | undefined {
    return quietly(() => {
      const span = this.#base.getValue(SPAN_KEY) as Span | undefined;
      const isValid = span !== undefined && traceContextOf(span.spanContext()) !== undefined;
      return isValid ? { span, context: this.#base } : undefined;
    });
  }

  /** A span of another process, in which others are begun. */
  remote(of: SpanContext): OpenSpan {
    const span = remoteSpan(of);
    return { span, context: this.#base.setValue(SPAN_KEY, span) };
  }

  /** Begins a span; `what`: what it stands for, in words that tell it from all others of the run. */
  begin(what: string, begin: SpanBegin): OpenSpan | undefined {
    const { name, kind = 0, from: startTime, attributes, links = [], within } = begin;
    return quietly(() => {
      const { tracer, naming } = this.#telemetry;
      naming?.(what);
      const context = within?.context ?? this.#base;
      const root = within === undefined ? { root: true } : {};
      const span = tracer.startSpan(name, { kind, startTime, attributes, links, ...root }, context);
      return { span, context: context.setValue(SPAN_KEY, span) };
    });
  }

  /** Calls a function while a span is the active one: once, whatever becomes of that. */
  within<T>(opened: OpenSpan | undefined, call: () => Promise<T>): Promise<T> {
    let called: Promise<T> | undefined;
    const callOnce = () => called ??= call();
    const { contexts } = this.#telemetry;
    if (opened !== undefined) quietly(() => contexts?.with(opened.context, callOnce));
    return callOnce();
  }
}

/** Ends a span. */
export function endSpan({ span }: OpenSpan, { attributes, error, thrown, to }: SpanEnd): void {
  quietly(() => {
    for (const [name, value] of Object.entries(attributes)) span.setAttribute(name, value);
    if (error !== undefined) {
      span.setAttribute("error.type", error.type);
      span.setStatus({ code: ERROR, message: shortenTo(error.reason, MOST_CHARACTERS) });
    }
    if (thrown !== undefined) {
      const { name = "Error", message } = thrown;
      const exception = {
        "exception.type": name,
        "exception.message": shortenTo(message, MOST_CHARACTERS),
      };
      span.addEvent("exception", exception, to);
    }
  });
  quietly(() => span.end(to));
}

/** Tells of something that has happened while a span was open. */
export function tellEvent(
  { span }: OpenSpan,
  { name, attributes, at }: { name: string; attributes: Attributes; at: number },
): void {
  quietly(() => span.addEvent(name, attributes, at));
}

/** Where a span stands; undefined where that is nowhere. */
export function contextOf({ span }: OpenSpan): SpanContext | undefined {
  return quietly(() => span.spanContext());
}

/** The span as others are told of it. */
export function traceOf(opened: OpenSpan): TraceParent | undefined {
  return quietly(() => traceContextOf(opened.span.spanContext()));
}

/** What a tracer throws is no failure of what is traced. */
function quietly<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
