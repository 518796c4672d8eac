import { assert, assertEquals, assertThrows } from "@std/assert";
import { directoryOfId, idOfDirectory } from "../../_internal/root_layout.ts";
import { checkId, MAX_ID_BYTES } from "../../store/files/runtime_folder.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { withTempDir } from "../_util/temp.ts";

Deno.test("directoryOfId() is hexadecimal, and idOfDirectory() its way back (spec 4.1)", () => {
  assertEquals(directoryOfId("rt-1"), "id-72742d31");
  assertEquals(directoryOfId("worker-00000001"), "id-776f726b65722d3030303030303031");
  for (const id of ["rt-1", "a/../b\n", "\u{1f600}", "\ufeffx", "A", "a", " x "]) {
    assertEquals(idOfDirectory(directoryOfId(id)), id);
  }
});

Deno.test("idOfDirectory() knows the names that no id has (W-FRS-10)", () => {
  for (const name of ["id-", "id-7", "id-7G", "id-72742D31", "id-ff", "ID-72", "72", "id-72.x"]) {
    assertEquals(idOfDirectory(name), undefined, name);
  }
});

Deno.test("checkId() refuses blank and torn ids, and those too long for a name (W-FRS-14)", async () => {
  for (const id of ["", " \t\n", "\ud800", "x".repeat(127), "é".repeat(64)]) {
    const error = assertThrows(() => checkId(id, "worker id"), RuntimeStoreError);
    assertEquals(error.kind, "invalid-request");
    assert(error.message.startsWith("invalid request: worker id "), error.message);
  }
  assertThrows(() => checkId("x".repeat(127), "runtime id"), RuntimeStoreError, "at most 126");
  const longest = "é".repeat(MAX_ID_BYTES / 2);
  checkId(longest, "runtime id");
  await withTempDir((directory) => Deno.mkdirSync(`${directory}/${directoryOfId(longest)}`));
});
