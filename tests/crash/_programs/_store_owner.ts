/** What the owner of a runtime is told, and what it answers. */

/** What to do. */
export type OwnerCommand =
  | { do: "open" | "close" | "summary" | "create" }
  | { do: "send"; worker: string; bytes: number };

/** What became of it. */
export interface OwnerAnswer {
  /** What it returned. */
  done?: unknown;
  /** The error of the store. */
  failure?: { kind: string; message: string; holderPid?: number };
}
