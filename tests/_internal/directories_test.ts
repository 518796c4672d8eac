import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import {
  makeDirectoriesSync,
  makeDirectorySync,
  syncDirectoriesSync,
  syncDirectorySync,
} from "../../_internal/directories.ts";
import { denoFilePort, lookAtSync } from "../../_internal/file_port.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { withTempDir } from "../_util/temp.ts";

const isWindows = Deno.build.os === "windows";

Deno.test("makeDirectorySync() makes one directory for its owner alone and tells whether it did", () =>
  withTempDir((directory) => {
    assert(makeDirectorySync(denoFilePort, `${directory}/a`));
    assertFalse(makeDirectorySync(denoFilePort, `${directory}/a`));
    if (!isWindows) assertEquals(Deno.statSync(`${directory}/a`).mode! & 0o777, 0o700);
    assertThrows(() => makeDirectorySync(denoFilePort, `${directory}/b/c`), Deno.errors.NotFound);
  }));

Deno.test("makeDirectoriesSync() makes the root's parents, the root and what is below it", () =>
  withTempDir((directory) => {
    const root = `${directory}/x/y/root`;
    makeDirectoriesSync(denoFilePort, root, ["runs", "one"]);
    makeDirectoriesSync(denoFilePort, root, ["runs", "two"]);
    const names = Array.from(Deno.readDirSync(`${root}/runs`), ({ name }) => name).sort();
    assertEquals(names, ["one", "two"]);
    for (const path of ["x", "x/y", "x/y/root", "x/y/root/runs", "x/y/root/runs/one"]) {
      if (!isWindows) assertEquals(Deno.statSync(`${directory}/${path}`).mode! & 0o777, 0o700);
    }
  }));

Deno.test("makeDirectoriesSync() leaves the mode of what exists", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    Deno.chmodSync(directory, 0o755);
    makeDirectoriesSync(denoFilePort, directory, ["runs"]);
    assertEquals(Deno.statSync(directory).mode! & 0o777, 0o755);
  }));

Deno.test("syncDirectorySync() syncs a directory and closes it again, also when that fails", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    syncDirectorySync(port, directory);
    assertEquals(port.calls.map(({ name }) => name), ["openSync", "syncSync", "close"]);
    port.failAt(1, { only: ["syncSync"] });
    assertThrows(() => syncDirectorySync(port, directory), Error, "No space left");
    assertEquals(port.openCount, 0);
  }));

Deno.test("syncDirectoriesSync() goes from the innermost folder to the root and no further", {
  ignore: isWindows,
}, () =>
  withTempDir((root) => {
    const port = new FaultPort();
    makeDirectoriesSync(denoFilePort, root, ["runs", "one"]);
    syncDirectoriesSync(port, root, ["runs", "one"]);
    const opened = port.calls.filter(({ name }) => name === "openSync").map(({ path }) => path);
    assertEquals(opened, [`${root}/runs/one`, `${root}/runs`, root]);
    assertEquals(port.count("syncSync"), 3);
  }));

Deno.test("lookAtSync() does not follow a link, and gives undefined for nothing", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    assertEquals(lookAtSync(denoFilePort, `${directory}/nothing`), undefined);
    Deno.symlinkSync(`${directory}/nothing`, `${directory}/link`);
    assert(lookAtSync(denoFilePort, `${directory}/link`)?.isSymlink);
    assert(lookAtSync(denoFilePort, directory)?.isDirectory);
  }));

Deno.test("lookAtSync() passes on every error but that nothing is there", () =>
  withTempDir((directory) => {
    const port = new FaultPort();
    port.failAt(1, { error: new Deno.errors.PermissionDenied("no") });
    assertThrows(() => lookAtSync(port, directory), Deno.errors.PermissionDenied);
  }));
