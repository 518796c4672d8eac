import { parseCaptureBundle } from "./parse_capture_bundle.ts";
import type { CaptureBundle } from "./types.ts";

/**
 * Reads a bundle of either format from a file: {@linkcode parseCaptureBundle} of its bytes.
 *
 * **Permissions**: `--allow-read` for the file.
 *
 * @param path The file.
 * @returns The bundle.
 * @throws {Deno.errors.NotFound} And the system's other errors, when the file cannot be read.
 * @throws {SyntaxError} As {@linkcode parseCaptureBundle}.
 * @throws {TypeError} As {@linkcode parseCaptureBundle}.
 * @throws {RangeError} As {@linkcode parseCaptureBundle}.
 * @throws {ReplayError} As {@linkcode parseCaptureBundle}.
 *
 * @example Usage
 * ```ts
 * import { readCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertRejects } from "@std/assert";
 *
 * const path = `${await Deno.makeTempDir()}/run.json`;
 * await Deno.writeTextFile(path, '{"capture_version":"v3"}');
 * await assertRejects(() => readCaptureBundle(path), TypeError, "missing field `graph_id`");
 * ```
 */
export async function readCaptureBundle(path: string): Promise<CaptureBundle> {
  return parseCaptureBundle(await Deno.readFile(path));
}
