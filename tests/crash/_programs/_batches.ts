/** The batches of `appendAll` in the crash tests. */

/** One event of a batch. */
export interface BatchEvent {
  life: number;
  batch: number;
  index: number;
  text: string;
}

/** How many events a batch has. */
export const BATCH_SIZE = 1000;

/** Long enough that the write of a batch takes time, and a kill can come inside it. */
const TEXT_LENGTH = 2000;

/** One event; its text names it. */
export function createBatchEvent(life: number, batch: number, index: number): BatchEvent {
  return { life, batch, index, text: `${life}.${batch}.${index};`.padEnd(TEXT_LENGTH, "é") };
}

/** All events of a batch. */
export function createBatch(life: number, batch: number): BatchEvent[] {
  return Array.from({ length: BATCH_SIZE }, (_, index) => createBatchEvent(life, batch, index));
}
