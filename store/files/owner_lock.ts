import type { FileHandle } from "../../_internal/file_port.ts";
import {
  closeLock,
  isOwnerFileInPlaceSync,
  openOwnerFileSync,
  readOwnerSync,
  writeOwnerSync,
} from "../../_internal/lock.ts";
import { ownedError } from "../store_errors.ts";
import type { RuntimeFolder } from "./runtime_folder.ts";

/** What the lock file says of who has the runtime, or had it last. */
interface Owner {
  pid: number;
  opened_at: string;
  /** Drawn for each opening, so that no two are alike. */
  opening: string;
}

/** Holds a runtime for one owner: from when it was opened until it is closed or its process ends. */
export interface OwnerLock {
  /** Gives the runtime up; the file stays, and says who had it last. */
  release(): void;
}

/** Takes the lock, or says who has it. The file stays for ever: a lock on it could be waited for. */
export function takeOwnerLock(folder: RuntimeFolder): OwnerLock {
  const { port, ownerLock: path, runtimeId } = folder;
  folder.fileSize(path, "open runtime store");
  const file = openOwnerFileSync(port, path);
  try {
    if (!file.tryLockSync(true)) throw ownedError(path, { runtimeId, pid: readPid(file) });
    const owner: Owner = {
      pid: Deno.pid,
      opened_at: new Date().toISOString(),
      opening: crypto.randomUUID(),
    };
    const text = `${JSON.stringify(owner)}\n`;
    writeOwnerSync(file, text);
    if (!isOwnerFileInPlaceSync(port, path, text)) {
      throw new Deno.errors.NotFound("the runtime was removed meanwhile");
    }
    return { release: () => closeLock(file) };
  } catch (error) {
    closeLock(file);
    throw error;
  }
}

/** Who has the lock, as far as the file says: its owner may be about to write it. */
function readPid(file: FileHandle): number | undefined {
  try {
    const { pid } = JSON.parse(readOwnerSync(file)) as Owner;
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
