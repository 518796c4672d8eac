/** The format of bundles that the seed reads: `"v3"`. */
export const CAPTURE_VERSION = "v3";

/** The format of bundles that `"v3"` cannot say: `"taffrail-v1"`. */
export const TAFFRAIL_CAPTURE_VERSION = "taffrail-v1";

/** The adapter provenance of a session without adapter: `"none"` (CAP-1). */
export const NO_ADAPTER_PROVENANCE = "none";
