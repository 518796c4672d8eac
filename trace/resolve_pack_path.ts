import { reasonOf, TraceFileError } from "./trace_file_error.ts";
import type { TraceEnvelope } from "./types.ts";

/** Options of {@linkcode resolvePackPath}. */
export interface ResolvePackPathOptions {
  /** The path of the pack, where the caller knows better than the trace. */
  pack?: string;
}

/**
 * The pack to replay a trace with (TRP-1): the one that the caller names, else what the trace's `pack_ref`
 * names, if there is such a file or directory.
 *
 * **Permissions**: `--allow-read` for `pack_ref`, unless the caller names the pack.
 *
 * @param trace The trace.
 * @param options The path that the caller names.
 * @returns The path.
 * @throws {TraceFileError} `read`, when there is no such file, or nobody may look.
 *
 * @example Usage
 * ```ts
 * import { resolvePackPath } from "@taffrail/taffrail/trace";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const trace = {
 *   trace_version: 1,
 *   pack: { pack_ref: "no-such-pack" },
 *   flow: { id: "demo.flow", version: "0.0.0" },
 *   steps: [],
 * };
 * assertEquals(await resolvePackPath(trace, { pack: "demo.gtpack" }), "demo.gtpack");
 * await assertRejects(
 *   () => resolvePackPath(trace),
 *   Error,
 *   "pack path not found; provide --pack (trace pack_ref was no-such-pack)",
 * );
 * ```
 */
export async function resolvePackPath(
  trace: TraceEnvelope,
  { pack }: ResolvePackPathOptions = {},
): Promise<string> {
  if (pack !== undefined) return pack;
  const path = trace.pack.pack_ref;
  try {
    await Deno.stat(path);
    return path;
  } catch (cause) {
    const message = `pack path not found; provide --pack (trace pack_ref was ${path})`;
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new TraceFileError("read", isMissing ? message : `${message}: ${reasonOf(cause)}`, {
      path,
      cause,
    });
  }
}
