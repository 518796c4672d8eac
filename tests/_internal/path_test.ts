import { assertEquals } from "@std/assert";
import { absolute, basename, dirname, join } from "../../_internal/path.ts";

Deno.test("path functions are those of the system", () => {
  const windows = Deno.build.os === "windows";
  assertEquals(join("a", "..", "b", "c"), windows ? "b\\c" : "b/c");
  assertEquals(dirname(join("a", "b")), "a");
  assertEquals(basename(join("a", "b.jsonl")), "b.jsonl");
});

Deno.test("absolute() names a path from the root of the file system on", () => {
  for (const path of ["a", "./a", "b/../a"]) assertEquals(absolute(path), join(Deno.cwd(), "a"));
  assertEquals(absolute(Deno.cwd()), Deno.cwd());
  const others = Deno.build.os === "windows" ? ["C:\\a", "C:/a", "\\\\host\\a"] : ["/a", "/a/../b"];
  for (const path of others) assertEquals(absolute(path), path);
});
