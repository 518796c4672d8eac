/** Not written into the import, so that a type check of this project does not fetch it. */
const SPECIFIER = "npm:p-queue@9.3.5";

/** A queue of p-queue. */
export interface TaskQueue {
  add<T>(task: () => T | Promise<T>): Promise<T>;
  onIdle(): Promise<void>;
}

/** Loads p-queue and says how to make a queue. */
export async function loadPQueue(): Promise<(concurrency: number) => TaskQueue> {
  const { default: PQueue } = await import(SPECIFIER) as {
    default: new (options: { concurrency: number }) => TaskQueue;
  };
  return (concurrency) => new PQueue({ concurrency });
}
