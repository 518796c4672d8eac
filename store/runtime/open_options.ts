import type { FilePort } from "../../_internal/file_port.ts";
import type { RuntimeFolder } from "../files/runtime_folder.ts";
import { checkSize } from "../state/rules.ts";
import type { RuntimeIdentity } from "../state/store_state.ts";
import { invalidRequestError } from "../store_errors.ts";
import type { RuntimeLimits } from "../types.ts";
import { folderOf } from "./open_owner.ts";

/** Options of {@linkcode WorkerRuntime.open}. */
export interface OpenRuntimeOptions {
  /** The directory that holds the runtimes; it is created when it is missing. */
  root: string;
  /** Any text of 1 to 126 bytes that is not blank. */
  runtimeId: string;
  /**
   * The runtime's name for people, or null for none, when it is made; later the recorded one counts
   * (WRT-3).
   */
  displayName?: string | null;
  /**
   * The largest limits that readers may ask for, when the runtime is made; later the recorded ones
   * count.
   *
   * @default {256 entries of a transcript, 256 events}
   */
  limits?: Partial<RuntimeLimits>;
  /**
   * The most bytes of an input, a reason, a request, a config bundle or a display name.
   *
   * @default {1048576}
   */
  maxContentBytes?: number;
}

/** The limits of a runtime for which none were asked. */
export const DEFAULT_LIMITS: Readonly<RuntimeLimits> = {
  max_transcript_projection_items: 256,
  max_event_batch_items: 256,
};

const DEFAULT_CONTENT_BYTES = 1024 * 1024;
/** What fits into a line of a log however its characters have to be escaped. */
const MOST_CONTENT_BYTES = 2 * 1024 * 1024;

/** What options say, checked. */
export interface CheckedOptions {
  folder: RuntimeFolder;
  /** What to make when there is no such runtime. */
  create: RuntimeIdentity;
  maxContentBytes: number;
}

/** Refuses options that cannot be obeyed, before anything is looked at. */
export function checkOpenOptions(port: FilePort, options: OpenRuntimeOptions): CheckedOptions {
  const folder = folderOf(port, options, "Cannot open a runtime");
  const { maxContentBytes = DEFAULT_CONTENT_BYTES } = options;
  const displayName = options.displayName ?? null;
  checkCount(maxContentBytes, { name: "maxContentBytes", max: MOST_CONTENT_BYTES });
  if (displayName !== null && typeof displayName !== "string") {
    throw new TypeError("Cannot open a runtime whose displayName is not a string");
  }
  if (displayName?.isWellFormed() === false) {
    throw invalidRequestError("display name has a lone surrogate");
  }
  checkSize(displayName ?? "", "a display name", maxContentBytes);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  for (const [name, limit] of Object.entries(limits)) {
    if (!Object.hasOwn(DEFAULT_LIMITS, name)) {
      throw new TypeError(
        `Cannot open a runtime with a limit ${name}: there are only ` +
          Object.keys(DEFAULT_LIMITS).join(" and "),
      );
    }
    checkCount(limit, { name, max: Number.MAX_SAFE_INTEGER });
  }
  const { runtimeId } = folder;
  return { folder, create: { runtimeId, displayName, limits }, maxContentBytes };
}

function checkCount(count: number, { name, max }: { name: string; max: number }): void {
  if (Number.isSafeInteger(count) && count >= 0 && count <= max) return;
  throw new RangeError(
    `Cannot open a runtime with ${name} ${count}: it must be a whole number up to ${max}`,
  );
}
