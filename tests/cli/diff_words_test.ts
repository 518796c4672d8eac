/** What `taffrail diff` says of two recordings. */
import { assertEquals } from "@std/assert";
import { diffInWords, type RecordingTold } from "../../cli/reading/diff_words.ts";

/** A recording that took so long. */
function recording(name: string, durationMs: number): RecordingTold {
  const limits = {
    max_in_flight: undefined,
    max_per_window: undefined,
    rate_window: undefined,
    deadline: undefined,
    max_retries: "0",
  };
  const node = {
    end: "completed",
    durationMs,
    command: undefined,
    attempts: 1,
    output: undefined,
    input: undefined,
    result: undefined,
  };
  return { name, limits, nodes: new Map([["a", node]]), durationMs };
}

Deno.test("how long two runs took is told beside something else, or when it is asked for", () => {
  const [a, slow] = [recording("a", 100), recording("a", 2300)];
  assertEquals(diffInWords(a, slow, false), []);
  assertEquals(diffInWords(a, slow, true), ["a: 100ms → 2.3s", "took 100ms → 2.3s"]);
  assertEquals(diffInWords(a, recording("b", 2300), false), ["flow a → b", "took 100ms → 2.3s"]);
  assertEquals(diffInWords(a, recording("b", 100), true), ["flow a → b"]);
});
