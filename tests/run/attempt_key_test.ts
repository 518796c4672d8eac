import { assertEquals } from "@std/assert";
import { errorKindOf } from "../../run/attempt_key.ts";

Deno.test("errorKindOf tells a program that cannot be started from other work that is not tried again", () => {
  const failed = { Failed: "ValidationFailed" } as const;
  assertEquals(
    errorKindOf(failed, { error: { message: "", kind: "host_missing" } }),
    "host_missing",
  );
  assertEquals([errorKindOf(failed), errorKindOf(failed, {})], ["crash", "crash"]);
  assertEquals(errorKindOf(failed, { error: { message: "", kind: "not-json" } }), "crash");
  assertEquals(errorKindOf({ Failed: "AdapterUnavailable" }), "host_missing");
  // What was ended was ended, whatever it said before.
  assertEquals(
    errorKindOf("TimedOut", { error: { message: "", kind: "host_missing" } }),
    "timeout",
  );
  assertEquals(
    errorKindOf("Aborted", { error: { message: "", kind: "host_missing" } }),
    "cancelled",
  );
});
