import { denoFilePort, type FileHandle } from "../_internal/file_port.ts";
import { join } from "../_internal/path.ts";
import { wrapIo } from "./event_log_error.ts";

/** What {@linkcode probeLock} found. */
export interface LockProbe {
  /** Whether a lock held by one handle keeps another out. */
  excludes: boolean;
  /** What that means, for people. */
  message: string;
}

/**
 * Tries whether file locks exclude in a directory. On some network and user-space file systems
 * they are granted to everybody, or to nobody; then several processes must not write one run. The
 * probe is of one machine: it cannot tell whether *another* machine is kept out.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the directory.
 *
 * @param directory An existing directory.
 * @returns Whether locks work there.
 * @throws {EventLogError} `io` if no file can be made there.
 *
 * @example Usage
 * ```ts
 * import { probeLock } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * assert((await probeLock(await Deno.makeTempDir())).excludes);
 * ```
 */
// deno-lint-ignore require-await -- nothing waits here; the signature stays free
export async function probeLock(directory: string): Promise<LockProbe> {
  const path = join(directory, `.lock-probe-${crypto.randomUUID()}`);
  return wrapIo(path, () => {
    const options = { read: true, write: true, createNew: true, mode: 0o600 };
    const first = denoFilePort.openSync(path, options);
    try {
      return tryBoth(first, path);
    } finally {
      first.close();
      denoFilePort.removeSync(path);
    }
  });
}

function tryBoth(first: FileHandle, path: string): LockProbe {
  const second = denoFilePort.openSync(path, { read: true, write: true });
  try {
    if (!first.tryLockSync(true)) {
      return { excludes: false, message: "a lock that nobody holds is not granted" };
    }
    if (second.tryLockSync(true)) {
      return { excludes: false, message: "a second handle gets the lock too: writers would mix" };
    }
    first.unlockSync();
    if (!second.tryLockSync(true)) {
      return { excludes: false, message: "a lock that was given up is not granted again" };
    }
    return { excludes: true, message: "locks exclude" };
  } finally {
    second.close();
  }
}
