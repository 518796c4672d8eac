/** What the writer of the store's crash tests says, and how its test knows what it may have done. */
import type { WorkerInput } from "../../../store/types.ts";

/** The runtime that all of them use. */
export const RUNTIME_ID = "crash";
/** So that there are many checkpoints. */
export const CHECKPOINT_MUTATIONS = 5;

/** Something that was acknowledged. `n` counts the mutations of one process. */
export type Acknowledged =
  | { n: number; did: "created"; worker: string; event: number }
  | { n: number; did: "sent"; inputs: { worker: string; sequence: number; event: number }[] };

/** What the process `life` sends as the `index`-th input of its `n`-th mutation. */
export function inputOf(life: number, n: number, index: number): WorkerInput {
  // Now and then more than a page.
  const filler = "x".repeat(n % 9 === 4 ? 5000 : 10);
  return { kind: index % 2 === 0 ? "user" : "system", content: `${life} ${n} ${index} ${filler}` };
}

/** How many inputs the `n`-th mutation has. */
export function inputCountOf(n: number): number {
  return n % 5 === 3 ? 4 : 1;
}
