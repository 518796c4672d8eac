import { assertEquals } from "@std/assert";
import { durationOfMs, millisecondsOf } from "../../_internal/event_time.ts";

const AT = Date.parse("2026-04-15T12:00:00.007Z");

Deno.test("a time in milliseconds is the same in the journal and in the log", () => {
  for (const at of [0, 1, 999, AT, AT + 999, 8.64e15]) {
    assertEquals(millisecondsOf(durationOfMs(at)), at);
  }
  assertEquals(millisecondsOf({ secs: 1, nanos: 999_999_999 }), 1999);
});
