import { assertEquals } from "@std/assert";
import { basename, dirname, join } from "../../_internal/path.ts";

Deno.test("path functions are those of the system", () => {
  const windows = Deno.build.os === "windows";
  assertEquals(join("a", "..", "b", "c"), windows ? "b\\c" : "b/c");
  assertEquals(dirname(join("a", "b")), "a");
  assertEquals(basename(join("a", "b.jsonl")), "b.jsonl");
});
