import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  denoFilePort,
  type FilePort,
  isHeldByOthers,
  isNotFound,
  openRegularSync,
  readFileSync,
  withFileSync,
} from "../../_internal/file_port.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { readText, write } from "../_util/files.ts";
import { makeStranger, STRANGERS } from "../_util/strangers.ts";
import { withTempDir } from "../_util/temp.ts";

const isWindows = Deno.build.os === "windows";

/** What Deno throws for an error of Windows that it has no class for: with the name that libuv has for it. */
function windowsError(number: number, code: string): Error {
  return Object.assign(new Error(`(os error ${number})`), { code });
}

Deno.test("isHeldByOthers() knows what a scanner, a reader or a lock of Windows does to a rename", () => {
  assert(isHeldByOthers(windowsError(32, "EBUSY"))); // ERROR_SHARING_VIOLATION
  assert(isHeldByOthers(windowsError(33, "EBUSY"))); // ERROR_LOCK_VIOLATION
  assert(isHeldByOthers(new Deno.errors.PermissionDenied("(os error 5)"))); // ERROR_ACCESS_DENIED
  assert(isHeldByOthers(new Deno.errors.WouldBlock("(os error 11)"))); // EAGAIN, on some network drives
  assert(!isHeldByOthers(windowsError(112, "ENOSPC")));
  assert(!isHeldByOthers(new Deno.errors.NotFound("(os error 2)")));
  assert(!isHeldByOthers("EBUSY"));
});

Deno.test("isNotFound() knows what cannot be there", () => {
  assert(isNotFound(new Deno.errors.NotFound("(os error 2)")));
  assert(isNotFound(windowsError(123, "ENOENT"))); // ERROR_INVALID_NAME, as of "a?"
  assert(isNotFound(windowsError(206, "ENAMETOOLONG"))); // ERROR_FILENAME_EXCED_RANGE
  assert(!isNotFound(windowsError(32, "EBUSY")));
  assert(!isNotFound(new Deno.errors.PermissionDenied("(os error 13)")));
});

const uses: Deno.OpenOptions[] = [
  { read: true },
  { write: true },
  { read: true, append: true, create: true },
  { write: true, create: true, truncate: true },
];

for (const stranger of STRANGERS) {
  Deno.test(`openRegularSync() refuses ${stranger} before it opens anything`, {
    ignore: isWindows,
  }, () =>
    withTempDir(async (directory) => {
      const path = `${directory}/file`;
      if (!await makeStranger(stranger, path)) return;
      const port = new FaultPort();
      for (const options of uses) {
        const error = assertThrows(() => openRegularSync(port, path, options), TypeError, path);
        assert(error.message.endsWith("not a regular file"), error.message);
      }
      assertThrows(() => withFileSync(port, { path, read: true }, () => {}), TypeError, path);
      assertThrows(() => readFileSync(port, path), TypeError, path);
      assertEquals([port.count("openSync"), port.openCount], [0, 0]);
    }));
}

Deno.test("openRegularSync() writes to no file that has another name, and reads it", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    const [path, other] = [`${directory}/file`, `${directory}/other`];
    write(other, "precious");
    Deno.linkSync(other, path);
    const port = new FaultPort();
    for (const options of uses.slice(1)) {
      assertThrows(() => openRegularSync(port, path, options), TypeError, "a hard link");
    }
    assertEquals(port.openCount, 0);
    assertEquals(new TextDecoder().decode(readFileSync(port, path)), "precious");
  }));

Deno.test("openRegularSync() creates a file, and says when there is none", () =>
  withTempDir((directory) => {
    const path = `${directory}/file`;
    assertThrows(
      () => openRegularSync(denoFilePort, path, { read: true }),
      Deno.errors.NotFound,
    );
    openRegularSync(denoFilePort, path, { write: true, createNew: true }).close();
    write(path, "old");
    openRegularSync(denoFilePort, path, { write: true, create: true }).close();
    assertEquals(readText(path), "old");
    openRegularSync(denoFilePort, path, { write: true, create: true, truncate: true }).close();
    assertEquals(readText(path), "");
    assertThrows(
      () => openRegularSync(denoFilePort, path, { write: true, createNew: true }),
      Deno.errors.AlreadyExists,
    );
  }));

Deno.test("readFileSync() reads no more than it is to, and not what has no end on a disk", () =>
  withTempDir((directory) => {
    const path = `${directory}/file`;
    write(path, "12345678");
    assertEquals(readFileSync(denoFilePort, path, 8).length, 8);
    assertThrows(() => readFileSync(denoFilePort, path, 7), RangeError, "it is over 7 bytes");
    Deno.truncateSync(path, 1024 ** 4);
    assertThrows(() => readFileSync(denoFilePort, path), RangeError, "it is over 1073741824 bytes");
  }));

/** Does something between the look at a file and its opening, so many times. */
function betweenPort(times: number, act: () => void): FilePort {
  return {
    ...denoFilePort,
    openSync: (path, options) => {
      if (times-- > 0) act();
      return denoFilePort.openSync(path, options);
    },
  };
}

Deno.test("openRegularSync() opens the new file when one is put in the place of the old", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    const path = `${directory}/file`;
    let count = 0;
    const replace = () => {
      write(`${path}.new`, `${++count}`);
      Deno.renameSync(`${path}.new`, path);
    };
    replace();
    const bytes = readFileSync(betweenPort(3, replace), path);
    assertEquals([new TextDecoder().decode(bytes), readText(path)], ["4", "4"]);
    assertThrows(
      () => readFileSync(betweenPort(Infinity, replace), path).length,
      TypeError,
      "exchanged whenever",
    );
  }));

Deno.test("openRegularSync() gives nobody a file to which a link leads that came in between", {
  ignore: isWindows,
}, () =>
  withTempDir((directory) => {
    const [path, other] = [`${directory}/file`, `${directory}/other`];
    write(path, "ours");
    write(other, "precious");
    const port = betweenPort(1, () => {
      Deno.removeSync(path);
      Deno.symlinkSync(other, path);
    });
    assertThrows(() => openRegularSync(port, path, { read: true }), TypeError, "a symbolic link");
  }));
