/** How often to look all the same: a watcher sees nothing of other machines on a network drive. */
const WATCHED_POLL_MS = 1000;
/** How often to look where watching is not possible, for one because all watches are in use. */
const UNWATCHED_POLL_MS = 100;

/**
 * Tells when a file may have changed. A change between two waits is remembered, so none is missed
 * by whoever looks at the file after creating the watcher and after every wait.
 */
export class ChangeWatcher implements Disposable {
  readonly #watcher: Deno.FsWatcher | undefined;
  #changed = false;
  #wake = () => {};

  constructor(path: string) {
    try {
      this.#watcher = Deno.watchFs(path);
    } catch {
      return;
    }
    void this.#listen(this.#watcher);
  }

  /** Resolves at a change, at an abort, or after a while. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted) await this.#sleep(signal);
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const { kind } of watcher) {
        // Reading the file, as the follower itself does, is an "access" too.
        if (kind === "access") continue;
        this.#changed = true;
        this.#wake();
      }
    } catch { /* Too many changes at once, for one: the poll sees them. */ }
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const pollMs = this.#watcher === undefined ? UNWATCHED_POLL_MS : WATCHED_POLL_MS;
    const timer = setTimeout(resolve, pollMs);
    const wake = () => resolve();
    signal.addEventListener("abort", wake);
    this.#wake = wake;
    await promise;
    signal.removeEventListener("abort", wake);
    clearTimeout(timer);
  }
}
