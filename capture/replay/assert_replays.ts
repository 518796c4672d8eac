import type { CaptureBundle } from "../types.ts";
import type { Divergence } from "./divergence.ts";
import { replayBundle, type ReplayOptions } from "./replay_bundle.ts";

const SHOWN = 10;

/**
 * Thrown by {@linkcode assertReplays} for a bundle that does not replay to what it records. Its message
 * lists the first divergences.
 *
 * @example Usage
 * ```ts
 * import { ReplayDivergedError } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const error = new ReplayDivergedError([{
 *   kind: "changed",
 *   index: 0,
 *   event: "e1",
 *   path: "$.decisions[0].episode_id",
 *   recorded: 0,
 *   replayed: 1,
 *   context: [],
 * }]);
 * assertEquals(
 *   error.message,
 *   "The replay went otherwise than the recording at 1 place:\n" +
 *     "  changed $.decisions[0].episode_id (event 'e1'): recorded 0, replayed 1",
 * );
 * ```
 */
export class ReplayDivergedError extends Error {
  /** The name of the class. */
  override name = "ReplayDivergedError";
  /** Where the replay went otherwise, in the order of the bundle. */
  readonly divergences: readonly Divergence[];

  /** An error that tells of these divergences. */
  constructor(divergences: readonly Divergence[]) {
    const places = divergences.length === 1 ? "1 place" : `${divergences.length} places`;
    const lines = divergences.slice(0, SHOWN).map(formatDivergence);
    if (divergences.length > SHOWN) lines.push(`and ${divergences.length - SHOWN} more`);
    const list = lines.map((line) => `\n  ${line}`).join("");
    super(`The replay went otherwise than the recording at ${places}:${list}`);
    this.divergences = divergences;
  }
}

/**
 * Replays a bundle and throws unless everything goes as it is recorded: {@linkcode replayBundle} for
 * tests.
 *
 * **Permissions**: none but the invoker's.
 *
 * @param bundle The bundle.
 * @param options How to replay it.
 * @throws {ReplayError} When the bundle is refused.
 * @throws {ReplayDivergedError} When something goes otherwise.
 *
 * @example Usage
 * ```ts
 * import { assertReplays } from "@taffrail/taffrail/capture";
 * import { Supervisor } from "@taffrail/taffrail/supervisor";
 *
 * const bundle = {
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
 * };
 * await assertReplays(bundle, { createSupervisor: (options) => new Supervisor(options) });
 * ```
 */
export async function assertReplays(bundle: CaptureBundle, options: ReplayOptions): Promise<void> {
  const { divergences } = await replayBundle(bundle, options);
  if (divergences.length > 0) throw new ReplayDivergedError(divergences);
}

/**
 * One line that says what a divergence is.
 *
 * Permissions: none.
 *
 * @param divergence The divergence.
 * @returns The line.
 *
 * @example Usage
 * ```ts
 * import { formatDivergence } from "@taffrail/taffrail/capture";
 * import { assertEquals } from "@std/assert";
 *
 * const place = { index: 4, event: "e2", path: "$.decisions[4].decision", context: [] };
 * assertEquals(
 *   formatDivergence({ kind: "changed", ...place, recorded: "Defer", replayed: "Invoke" }),
 *   `changed $.decisions[4].decision (event 'e2'): recorded "Defer", replayed "Invoke"`,
 * );
 * ```
 */
export function formatDivergence(divergence: Divergence): string {
  const { kind, path, event, recorded, replayed } = divergence;
  const values = `recorded ${format(recorded)}, replayed ${format(replayed)}`;
  return `${kind} ${path} (event '${event}'): ${values}`;
}

function format(value: unknown): string {
  return JSON.stringify(value) ?? "nothing";
}
