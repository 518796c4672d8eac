import {
  type FileHandle,
  type FilePort,
  readRangeSync,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { closeLock } from "../../_internal/lock.ts";
import { fileSizeSync } from "../layout.ts";
import { ownedError } from "../store_errors.ts";

const MAX_OWNER_BYTES = 1024;

/** What the lock file says of who has the runtime, or had it last. */
interface Owner {
  pid: number;
  opened_at: string;
  /** Drawn for each opening, so that no two are alike. */
  opening: string;
}

/** Holds a runtime for one owner: from when it was opened until it is closed or its process ends. */
export class OwnerLock {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Takes the lock, or says who has it. The file stays for ever: a lock on it could be waited for. */
  static takeSync(port: FilePort, path: string, runtimeId: string): OwnerLock {
    fileSizeSync(port, path, "open runtime store");
    const file = port.openSync(path, { read: true, write: true, create: true, mode: 0o600 });
    try {
      if (!file.tryLockSync(true)) throw ownedError(path, { runtimeId, pid: readPid(file) });
      const owner: Owner = {
        pid: Deno.pid,
        opened_at: new Date().toISOString(),
        opening: crypto.randomUUID(),
      };
      file.truncateSync(0);
      file.seekSync(0, Deno.SeekMode.Start);
      const text = `${JSON.stringify(owner)}\n`;
      writeWholeSync(file, encodeUtf8(text));
      // A lock that was opened before its runtime was removed is granted afterwards, for nothing.
      // Windows removes no runtime whose lock anybody has open.
      if (Deno.build.os !== "windows" && readOwnerSync(port, path) !== text) {
        throw new Deno.errors.NotFound("the runtime was removed meanwhile");
      }
      return new OwnerLock(file);
    } catch (error) {
      closeLock(file);
      throw error;
    }
  }

  release(): void {
    closeLock(this.#file);
  }
}

/** What the lock file says now; a reader sees by it that somebody has opened the runtime since. */
export function readOwnerSync(port: FilePort, path: string): string {
  let file: FileHandle;
  try {
    file = port.openSync(path, { read: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
  try {
    return readText(file);
  } finally {
    file.close();
  }
}

function readPid(file: FileHandle): number | undefined {
  try {
    const { pid } = JSON.parse(readText(file)) as Owner;
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Windows lets nobody read what is locked; the journals tell it there. */
function readText(file: FileHandle): string {
  try {
    return new TextDecoder().decode(readRangeSync(file, 0, MAX_OWNER_BYTES));
  } catch (error) {
    if (Deno.build.os === "windows") return "";
    throw error;
  }
}
