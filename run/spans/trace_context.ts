/**
 * W3C Trace Context: how a program is told of which span what it does is a part, by the variables `TRACEPARENT` and
 * `TRACESTATE`, and how it tells others. What is no trace context by the rules is none: nothing of it is used or
 * handed on by us.
 */
import type { SpanContext, TraceState } from "./telemetry.ts";
import type { TraceParent } from "../attempt_queue.ts";
import { grantedVariable } from "../marks.ts";

/** Version, trace, span, flags; a later version may say more behind them. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const NO_TRACE = "0".repeat(32);
const NO_SPAN = "0".repeat(16);

/** A member of `tracestate`: a key, which may name a tenant, and a value that is printable. */
const STATE_MEMBER =
  /^((?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}))=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])$/;
const MOST_STATE_MEMBERS = 32;
const MOST_STATE_CHARACTERS = 512;

/** Reads a trace context; undefined where the first text is none. A second that is none is as if it were not there. */
export function parseTraceContext(
  { traceparent, tracestate }: { traceparent: string; tracestate?: string | undefined },
): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? [];
  if (version === undefined || version === "ff" || traceId === NO_TRACE || spanId === NO_SPAN) {
    return undefined;
  }
  if (version === "00" && more !== undefined) return undefined;
  const traceState = tracestate === undefined ? undefined : parseTraceState(tracestate);
  return {
    traceId: traceId!,
    spanId: spanId!,
    // Of what flags may come to mean only that it is sampled is known.
    traceFlags: parseInt(flags!, 16) & 1,
    isRemote: true,
    ...(traceState !== undefined && { traceState }),
  };
}

/** The trace context by which others know a span; undefined where it has no valid one. */
export function traceContextOf(
  { traceId, spanId, traceFlags, traceState }: SpanContext,
): TraceParent | undefined {
  const traceparent = `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  if (parseTraceContext({ traceparent }) === undefined) return undefined;
  const tracestate = traceState?.serialize() ?? "";
  return tracestate === "" ? { traceparent } : { traceparent, tracestate };
}

/** The span that this process is a part of, as its environment says, where it may read that. */
export function inheritedContext(): SpanContext | undefined {
  const traceparent = grantedVariable("TRACEPARENT");
  if (traceparent === undefined) return undefined;
  return parseTraceContext({ traceparent, tracestate: grantedVariable("TRACESTATE") });
}

/** The same as it stands there, for whoever hands it on to another machine. */
export function inheritedParent(): TraceParent | undefined {
  const context = inheritedContext();
  if (context === undefined) return undefined;
  const tracestate = context.traceState && grantedVariable("TRACESTATE");
  return {
    traceparent: grantedVariable("TRACEPARENT")!,
    ...(tracestate !== undefined && { tracestate }),
  };
}

/** Reads a `tracestate`; undefined where any of it is wrong. */
function parseTraceState(text: string): TraceState | undefined {
  if (text.length > MOST_STATE_CHARACTERS) return undefined;
  const members = text.split(",").map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ""));
  const entries = new Map<string, string>();
  for (const member of members) {
    if (member === "") continue;
    const [, key, value] = STATE_MEMBER.exec(member) ?? [];
    if (key === undefined || entries.has(key)) return undefined;
    entries.set(key, value!);
  }
  if (entries.size === 0 || entries.size > MOST_STATE_MEMBERS) return undefined;
  return new OwnTraceState(entries);
}

/** What different tracing systems say of a trace, the newest first. */
class OwnTraceState implements TraceState {
  readonly #entries: ReadonlyMap<string, string>;

  constructor(entries: ReadonlyMap<string, string>) {
    this.#entries = entries;
  }

  get(key: string): string | undefined {
    return this.#entries.get(key);
  }

  set(key: string, value: string): TraceState {
    const others = [...this.#entries].filter(([known]) => known !== key);
    return new OwnTraceState(new Map([[key, value], ...others]));
  }

  unset(key: string): TraceState {
    return new OwnTraceState(new Map([...this.#entries].filter(([known]) => known !== key)));
  }

  serialize(): string {
    return Array.from(this.#entries, ([key, value]) => `${key}=${value}`).join(",");
  }
}
