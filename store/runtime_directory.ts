import { StorePaths } from "./store_paths.ts";

/**
 * Where a runtime has its files. `docs/format/store.md` says what they are.
 *
 * Permissions: none.
 *
 * @param root The directory of the store.
 * @param runtimeId The runtime.
 * @returns The directory.
 *
 * @example Usage
 * ```ts
 * import { runtimeDirectory } from "@taffrail/taffrail/store";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(runtimeDirectory("store", "rt-1"), "store/runtimes/id-72742d31");
 * ```
 */
export function runtimeDirectory(root: string, runtimeId: string): string {
  return new StorePaths(root, runtimeId).directory;
}
