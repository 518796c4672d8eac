/**
 * The key for digests of values that are not recorded: 32 random bytes, as hexadecimal digits in a file
 * that only its user can read. It is made when it is first asked for, by one of those who ask at the same
 * time, and is on disk before anybody gets it: a digest whose key was lost could never be compared.
 */
import { syncDirectorySync } from "../../_internal/directories.ts";
import {
  type FileHandle,
  type FilePort,
  openRegularSync,
  readRangeSync,
  runSteps,
  writeWholeSync,
} from "../../_internal/file_port.ts";
import { withLockSteps } from "../../_internal/lock.ts";
import { isWindows } from "../../_internal/path.ts";
import { contentOfDigestKey, digestKeyPath } from "../../_internal/root_layout.ts";
import { encodeUtf8, fromHex, Sha256, toHex } from "../../_internal/text.ts";
import { runError } from "../run_error.ts";

const KEY_BYTES = 32;
const ID_BYTES = 8;

/** Reads the key, or makes it. The root must exist. */
export async function readDigestKey(
  port: FilePort,
  root: string,
  timeoutMs: number,
): Promise<{ id: string; key: Uint8Array }> {
  const path = digestKeyPath(root);
  const file = openRegularSync(port, path, { read: true, write: true, create: true, mode: 0o600 });
  try {
    const timedOut = () =>
      runError("io", `Cannot use ${path}: its lock was not given up`, { details: { path } });
    const lock = { exclusive: true, timeoutMs, timedOut };
    return await runSteps(withLockSteps(file, lock, () => {
      const key = readKey(file, path) ?? makeKey(port, root, file);
      return { id: toHex(Sha256.of(key).subarray(0, ID_BYTES)), key };
    }));
  } finally {
    file.close();
  }
}

/** What the file holds; undefined when nobody can have got a key from it. */
function readKey(file: FileHandle, path: string): Uint8Array | undefined {
  const text = new TextDecoder().decode(readRangeSync(file, 0, 2 * KEY_BYTES + 2));
  const content = contentOfDigestKey(text);
  if (content === "key") return fromHex(text.trim());
  if (content === "unmade") return undefined;
  throw runError("damaged", `Cannot read the key in ${path}: it is no key`, {
    details: { path },
    remedy:
      "put it back from a copy, or move it away: what was digested with it cannot be compared then",
  });
}

function makeKey(port: FilePort, root: string, file: FileHandle): Uint8Array {
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  // Somebody else may have made the file, for everybody to read.
  if (!isWindows) port.chmodSync(digestKeyPath(root), 0o600);
  file.truncateSync(0);
  file.seekSync(0, Deno.SeekMode.Start);
  writeWholeSync(file, encodeUtf8(`${toHex(key)}\n`));
  file.syncSync();
  syncDirectorySync(port, root);
  return key;
}
