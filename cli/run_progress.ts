import type { DecisionReason } from "../supervisor/mod.ts";

/** How far a run is: what runs, what waits, and why, in one line. */
export class RunProgress {
  readonly #total: number;
  readonly #running = new Map<string, number>();
  readonly #waiting = new Map<string, string>();
  readonly #failed = new Set<string>();
  #completed = 0;

  constructor(total: number) {
    this.#total = total;
  }

  /** An attempt begins. */
  started(nodeId: string): void {
    this.#waiting.delete(nodeId);
    this.#failed.delete(nodeId);
    this.#running.set(nodeId, performance.now());
  }

  /** A node that has all it needs has to wait all the same. */
  deferred(nodeId: string, { reason, until }: { reason: DecisionReason; until: Date }): void {
    this.#waiting.set(nodeId, this.#reasonText(reason, until));
  }

  /** An attempt has ended. */
  ended(nodeId: string, hasCompleted: boolean): void {
    this.#running.delete(nodeId);
    if (hasCompleted) this.#completed++;
    else this.#failed.add(nodeId);
  }

  /** `3/30 done · running build 12s, test 3s · waiting lint (rate limit until 12:00:03)`. */
  text(now: number): string {
    const failed = this.#failed.size === 0 ? "" : `, ${this.#failed.size} failed`;
    const parts = [`${this.#completed}/${this.#total} done${failed}`];
    const running = Array.from(this.#running, ([id, startedAt]) => {
      return `${id} ${Math.floor((now - startedAt) / 1000)}s`;
    });
    if (running.length > 0) parts.push(`running ${running.join(", ")}`);
    // Once a node has failed, nothing more is started.
    if (this.#failed.size > 0) return parts.join(" · ");
    for (const [why, ids] of this.#waitingByReason()) {
      parts.push(`waiting ${ids.join(", ")} (${why})`);
    }
    const others = this.#total - this.#completed - this.#running.size - this.#waiting.size;
    if (others > 0) parts.push(`${others} ${others === 1 ? "needs" : "need"} others`);
    return parts.join(" · ");
  }

  #waitingByReason(): Map<string, string[]> {
    const reasons = new Map<string, string[]>();
    for (const [id, why] of this.#waiting) reasons.set(why, [...reasons.get(why) ?? [], id]);
    return reasons;
  }

  #reasonText(reason: DecisionReason, until: Date): string {
    if (reason === "saturated") return `${this.#running.size} in flight`;
    const time = [until.getHours(), until.getMinutes(), until.getSeconds()]
      .map((part) => String(part).padStart(2, "0")).join(":");
    if (reason === "rate_limited") return `rate limit until ${time}`;
    return reason === "backoff" ? `tried again at ${time}` : reason.replaceAll("_", " ");
  }
}
