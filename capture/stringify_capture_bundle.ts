import { encodeJson } from "../_internal/wire_json/codec.ts";
import { hashedBundle, seedBundle, taffrailBundle } from "./bundle_codec.ts";
import { sha256Hex } from "./sha256.ts";
import type { CaptureBundle, CaptureStyle, TaffrailCaptureBundle } from "./types.ts";

/**
 * The text of a bundle, with its final newline: for format `"v3"` byte for byte what the seed writes.
 * A bundle of format `"taffrail-v1"` gets a `bundle_hash` at its end, which
 * {@linkcode parseCaptureBundle} checks and takes off again.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @param style `"compact"`: all on one line; `"pretty"`: two spaces for each level.
 * @returns The text.
 * @throws {TypeError} When something in the bundle has another shape than its type says, or a number is
 * not finite; the message names its path.
 * @throws {RangeError} When an integer is out of range.
 *
 * @example Usage
 * ```ts
 * import { parseCaptureBundle, stringifyCaptureBundle } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const text = stringifyCaptureBundle({
 *   capture_version: "v3",
 *   graph_id: "g",
 *   config: {
 *     max_in_flight: null,
 *     max_per_window: null,
 *     rate_window: null,
 *     deadline: null,
 *     max_retries: 0,
 *   },
 *   events: [],
 *   decisions: [],
 *   adapter_provenance: "none",
 *   runtime_provenance: "rpv1:sha256:test",
 * });
 * assertEquals(text.slice(0, 42), '{"capture_version":"v3","graph_id":"g","co');
 * assertEquals(stringifyCaptureBundle(parseCaptureBundle(text)), text);
 * ```
 */
export function stringifyCaptureBundle(
  bundle: CaptureBundle,
  style: CaptureStyle = "compact",
): string {
  if (!("inputs" in bundle)) return encodeJson(seedBundle, bundle, { style }) + "\n";
  const compact = encodeJson(taffrailBundle, bundle);
  const bundleHash = sha256Hex(compact);
  if (style === "compact") return `${compact.slice(0, -1)},"bundle_hash":"${bundleHash}"}\n`;
  return encodeJson(hashedBundle, { ...bundle, bundle_hash: bundleHash }, { style }) + "\n";
}

/** The hash over all of a bundle: SHA-256 of its compact text without the hash. */
export function computeBundleHash(bundle: TaffrailCaptureBundle): string {
  return sha256Hex(encodeJson(taffrailBundle, bundle));
}
