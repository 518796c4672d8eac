/** What a program without types may hand in as a trace: the words are ours, and the stack holds. */
import { assert } from "@std/assert";
import {
  hashValue,
  replayTrace,
  resolvePackPath,
  resolveTraceCall,
  toChromeTrace,
  type TraceEnvelope,
} from "../../trace/mod.ts";

const TRACE: TraceEnvelope = {
  trace_version: 1,
  pack: { pack_ref: "p" },
  flow: { id: "f", version: "1" },
  steps: [{
    node_id: "a",
    component_id: "c",
    operation: "o",
    input_hash: hashValue(1),
    invocation_json: { payload: 1 },
    output_hash: hashValue(1),
    duration_ms: 1,
    started_at: "2026-01-02T03:04:05.006Z",
    validation_issues: [{ code: "c", path: "p", message: "m" }],
    error: { code: "c", message: "m", details: null },
  }],
};

function nested(depth: number): unknown[] {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 ? { a: value } : [value];
  return [value];
}

const GARBAGE = [nested(100_000), null, undefined, 1, "x", [], {}, () => {}, Symbol("s"), 10n];

const ENGINE_WORDS = /call stack|properties of|is not a function|not iterable|Symbol value/;

/** Copies of a value, each with garbage in another place. */
function* changedCopies(value: unknown): Generator<unknown> {
  yield* GARBAGE;
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    for (const changed of changedCopies(member)) {
      const copy: unknown[] | object = Array.isArray(value) ? [...value] : { ...value };
      yield Object.assign(copy, { [key]: changed });
    }
  }
}

Deno.test("a trace with garbage in any place is refused in our own words", async () => {
  const uses: Record<string, (trace: TraceEnvelope) => unknown> = {
    replay: (trace) => replayTrace(trace, () => 1),
    chrome: (trace) => toChromeTrace(trace),
    pack: (trace) => resolvePackPath(trace),
  };
  const check = async (name: string, use: () => unknown) => {
    try {
      await use();
    } catch (error) {
      assert(error instanceof Error);
      assert(!ENGINE_WORDS.test(error.message), `${name}: ${error.message}`);
    }
  };
  for (const wrong of changedCopies(TRACE)) {
    for (const [name, use] of Object.entries(uses)) await check(name, () => use(wrong as never));
  }
  for (const wrong of changedCopies(TRACE.steps[0])) {
    await check("resolve", () => resolveTraceCall(wrong as never));
  }
  for (const wrong of GARBAGE) await check("hash", () => hashValue(wrong));
});
