import { makeDirectoriesSync, syncDirectorySync } from "../_internal/directories.ts";
import {
  denoFilePort,
  type FileHandle,
  readRangeSync,
  runSteps,
  writeWholeSync,
} from "../_internal/file_port.ts";
import { isUlid, runIdProblem, ulidAfter } from "../_internal/root_layout.ts";
import { encodeUtf8 } from "../_internal/text.ts";
import { withLockSteps } from "../_internal/lock.ts";
import { join } from "../_internal/path.ts";
import { asModuleError, EventLogError, lockTimeoutError } from "./event_log_error.ts";

const LOCK_TIMEOUT_MS = 5000;
const STATE_BYTES = 64;

let lastEventId: string | undefined;

/**
 * Makes the id of a new run, `<name>-<lower-case ULID>` (OEV-3). The ULID is greater than every one
 * given out before for this root, by whatever process and whatever the clock does; the last one is
 * kept in `<root>/.ulid-last` (OUL-1, OUL-2).
 *
 * **Durability**: the last ULID is on disk before this returns.
 *
 * **Permissions**: `--allow-read` and `--allow-write` for the root.
 *
 * @param options The directory that holds the runs, and the name of what is run.
 * @returns The run id.
 * @throws {TypeError} If the name makes no allowed run id.
 * @throws {RangeError} If no greater ULID exists (OUL-3).
 * @throws {EventLogError} `io`, `lock-timeout`, or `corrupt` if `.ulid-last` is unreadable.
 *
 * @example Usage
 * ```ts
 * import { newRunId } from "@taffrail/taffrail/eventlog";
 * import { assert, assertMatch } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const first = await newRunId({ root, name: "nightly" });
 * assertMatch(first, /^nightly-[0-9a-z]{26}$/);
 * assert(await newRunId({ root, name: "nightly" }) > first);
 * ```
 */
export async function newRunId(options: { root: string; name: string }): Promise<string> {
  const { root, name } = options;
  const problem = runIdProblem(`${name}-00000000000000000000000000`);
  if (problem !== undefined) {
    throw new TypeError(`Cannot make a run id of the name ${JSON.stringify(name)}: ${problem}`);
  }
  const path = join(root, ".ulid-last");
  let file: FileHandle | undefined;
  try {
    makeDirectoriesSync(denoFilePort, root, []);
    file = denoFilePort.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    const state = file;
    const ulid = await runSteps(withLockSteps(
      state,
      { exclusive: true, timeoutMs: LOCK_TIMEOUT_MS, timedOut: () => lockTimeoutError(path) },
      () => allocate(state, path),
    ));
    syncDirectorySync(denoFilePort, root);
    return `${name}-${ulid}`;
  } catch (error) {
    throw asModuleError(path, error);
  } finally {
    file?.close();
  }
}

/** One line that is written over in place: it lies in one sector, so it is the old or the new. */
function allocate(file: FileHandle, path: string): string {
  const ulid = ulidAfter(readLast(file, path), Date.now());
  file.seekSync(0, Deno.SeekMode.Start);
  writeWholeSync(file, encodeUtf8(`${ulid}\n`));
  file.syncDataSync();
  return ulid;
}

/** A file that was never written, or lost its first content in a power cut, names no ULID. */
function readLast(file: FileHandle, path: string): string | undefined {
  const text = new TextDecoder().decode(readRangeSync(file, 0, STATE_BYTES)).trim();
  if (/^\0*$/.test(text)) return undefined;
  if (isUlid(text)) return text;
  const message = `Cannot read the last run id from ${path}: it holds no ULID; remove the file`;
  throw new EventLogError("corrupt", message, { path });
}

/**
 * Makes the id of a new event: a lower-case ULID, greater than all that this function gave out
 * before in this process (OEV-1).
 *
 * @param options `after`: an id that the new one must be greater than, such as the last one of a
 * log that another process began.
 * @returns The id.
 * @throws {RangeError} If no greater ULID exists.
 *
 * @example Usage
 * ```ts
 * import { newEventId } from "@taffrail/taffrail/eventlog";
 * import { assert } from "@std/assert";
 *
 * const first = newEventId();
 * assert(newEventId() > first);
 * ```
 */
export function newEventId(options: { after?: string } = {}): string {
  const { after } = options;
  if (after !== undefined && !isUlid(after)) {
    throw new TypeError(`Cannot make an event id after "${after}": it is no lower-case ULID`);
  }
  const floor = after !== undefined && after > (lastEventId ?? "") ? after : lastEventId;
  lastEventId = ulidAfter(floor, Date.now());
  return lastEventId;
}
