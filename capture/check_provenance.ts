import { NO_ADAPTER_PROVENANCE } from "./constants.ts";
import { ReplayError } from "./replay_error.ts";
import type { BundleProvenance } from "./types.ts";

/** What the caller of a strict replay runs with. */
export interface ExpectedProvenance {
  /** The adapter; `"none"` without one. */
  adapterProvenance: string;
  /** The runtime. */
  runtimeProvenance: string;
}

/**
 * Holds what a bundle was recorded with against what is there now: first the adapter (PRV-4), then the
 * runtime (PRV-5). A bundle without adapter wants none, a bundle with one wants the same.
 *
 * Permissions: none.
 *
 * @param bundle The bundle.
 * @param expected What is there now.
 * @throws {ReplayError} `UnexpectedAdapterProvidedForNoAdapterCapture`,
 * `AdapterRequiredForProvenancedCapture`, `AdapterProvenanceMismatch` or `RuntimeProvenanceMismatch`.
 *
 * @example Usage
 * ```ts
 * import { checkProvenance } from "@taffrail/taffrail/capture";
 *
 * const bundle = { adapter_provenance: "none", runtime_provenance: "rpv1:sha256:a" };
 * checkProvenance(bundle, { adapterProvenance: "none", runtimeProvenance: "rpv1:sha256:a" });
 * ```
 */
export function checkProvenance(
  bundle: Pick<BundleProvenance, "adapter_provenance" | "runtime_provenance">,
  expected: ExpectedProvenance,
): void {
  const adapter = { recorded: bundle.adapter_provenance, current: expected.adapterProvenance };
  const wasNone = adapter.recorded === NO_ADAPTER_PROVENANCE;
  const isNone = adapter.current === NO_ADAPTER_PROVENANCE;
  if (wasNone && !isNone) {
    throw new ReplayError({ kind: "UnexpectedAdapterProvidedForNoAdapterCapture", ...adapter });
  }
  if (isNone && !wasNone) {
    throw new ReplayError({ kind: "AdapterRequiredForProvenancedCapture", ...adapter });
  }
  if (adapter.recorded !== adapter.current) {
    throw new ReplayError({ kind: "AdapterProvenanceMismatch", ...adapter });
  }
  const runtime = { recorded: bundle.runtime_provenance, current: expected.runtimeProvenance };
  if (runtime.recorded !== runtime.current) {
    throw new ReplayError({ kind: "RuntimeProvenanceMismatch", ...runtime });
  }
}
