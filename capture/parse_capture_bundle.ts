import { checkObject } from "../_internal/wire_json/containers.ts";
import { JsonPlace } from "../_internal/wire_json/json_place.ts";
import { parseJson } from "../_internal/wire_json/parse_json.ts";
import { hashedBundle, seedBundle } from "./bundle_codec.ts";
import { TAFFRAIL_CAPTURE_VERSION } from "./constants.ts";
import { ReplayError } from "./replay_error.ts";
import { computeBundleHash } from "./stringify_capture_bundle.ts";
import type { CaptureBundle, TaffrailCaptureBundle } from "./types.ts";

const TAFFRAIL_VERSION_PREFIX = "taffrail-";

/**
 * Reads a bundle of either format from its text. Numbers keep their exact values. Fields that a bundle
 * does not have are refused at its top and inside effects and limits; those of event and decision
 * records are kept, printed again and reported by a strict replay. The legacy kind `"Tick"` is read as
 * `"Pump"`.
 *
 * Only the shape is checked here, and the `bundle_hash` of a `"taffrail-v1"` bundle; hashes of payloads
 * and effects are checked by {@linkcode replayBundle}.
 *
 * Permissions: none.
 *
 * @param text The text, or its bytes in UTF-8.
 * @returns The bundle.
 * @throws {SyntaxError} When the text is not JSON, has duplicate keys, lone surrogates or a number
 * beyond the range of an f64; the message names line, column and path.
 * @throws {TypeError} When something has another shape; the message names its path.
 * @throws {RangeError} When an integer is beyond 2^53 − 1.
 * @throws {ReplayError} `BundleHashMismatch` when a `"taffrail-v1"` bundle was changed since it was
 * written, `UnsupportedVersion` when a newer version of this module wrote it.
 *
 * @example Usage
 * ```ts
 * import { parseCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(
 *   () => parseCaptureBundle('{"capture_version":"v3","adapter_version":"1"}'),
 *   TypeError,
 *   "unknown field `adapter_version`",
 * );
 * ```
 */
export function parseCaptureBundle(text: string | Uint8Array): CaptureBundle {
  const tree = parseJson(text);
  const place = new JsonPlace("read");
  const { capture_version: version } = checkObject<unknown>(tree, place);
  if (typeof version !== "string" || !version.startsWith(TAFFRAIL_VERSION_PREFIX)) {
    return seedBundle.read(tree, place);
  }
  if (version !== TAFFRAIL_CAPTURE_VERSION) {
    throw new ReplayError({ kind: "UnsupportedVersion", captureVersion: version });
  }
  const { bundle_hash: recorded, ...bundle } = hashedBundle.read(tree, place);
  checkBundleHash(recorded, bundle);
  return bundle;
}

function checkBundleHash(recorded: string, bundle: TaffrailCaptureBundle): void {
  const current = computeBundleHash(bundle);
  if (current === recorded) return;
  throw new ReplayError({ kind: "BundleHashMismatch", recorded, current });
}
