import { assert, assertEquals, assertRejects } from "@std/assert";
import { EventLogError, probeLock } from "../../eventlog/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

Deno.test("probeLock() finds that locks exclude here, and leaves nothing behind (W-OMN-6)", () =>
  withTempDir(async (directory) => {
    const probe = await probeLock(directory);
    assertEquals(probe, { excludes: true, message: "locks exclude" });
    const many = await Promise.all(Array.from({ length: 10 }, () => probeLock(directory)));
    assert(many.every(({ excludes }) => excludes));
    assertEquals(namesIn(directory), []);
  }));

Deno.test("probeLock() says when no file can be made in the directory", () =>
  withTempDir(async (directory) => {
    const probing = () => probeLock(`${directory}/nothing`);
    const error = await assertRejects(probing, EventLogError, "I/O error on");
    assertEquals(error.kind, "io");
  }));
