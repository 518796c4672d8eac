/** What a worker says of its jobs: a line for people each time, or an object for programs. */
import { defined } from "../../_internal/errors.ts";
import type { ClaimedJob } from "../../run/attempt_queue.ts";
import type { AttemptEnd } from "../../run/types.ts";
import type { Screen } from "../text/screen.ts";
import { formatDuration } from "../text/units.ts";

/** What has become of a job. */
export type JobNews =
  | { type: "began" }
  | { type: "ended"; ended: AttemptEnd; notes: readonly string[] }
  | { type: "lost"; why: string }
  | { type: "given-back" };

/** Says what a worker does. */
export class WorkLog {
  readonly #screen: Screen;
  readonly #isJson: boolean;

  /** `isJson`: for programs. */
  constructor(screen: Screen, { isJson }: { isJson: boolean }) {
    this.#screen = screen;
    this.#isJson = isJson;
  }

  /** Something about the worker itself. */
  worker(type: string, text: string, more: object = {}): void {
    this.#say({ type, ...more, text }, text);
  }

  /** Something about a job. */
  job({ runId, nodeId, attempt }: ClaimedJob, news: JobNews): void {
    const of = { run_id: runId, node_id: nodeId, attempt };
    const what = `${runId} ${nodeId} #${attempt}`;
    const { type } = news;
    if (news.type === "ended") {
      const { ended: { termination, end }, notes } = news;
      this.#say({ type, ...of, termination, end, notes }, `${what}: ${wordsOf(news.ended)}`);
      if (!this.#isJson) { for (const note of notes) this.#screen.line(`${what}: ${note}`); }
    } else if (news.type === "lost") {
      this.#say({ type, ...of, why: news.why }, `${what}: lost: ${news.why}`);
    } else this.#say({ type, ...of }, `${what}: ${type === "began" ? "began" : "given back"}`);
  }

  #say(object: Record<string, unknown>, text: string): void {
    const line = JSON.stringify({ at: new Date().toISOString(), ...object });
    this.#screen.line(this.#isJson ? line : text);
  }
}

/** How an attempt ended, in words. */
function wordsOf({ termination, end }: AttemptEnd): string {
  const { exit_code: code, signal, error, duration_ms: ms } = defined(end);
  const within = ms === undefined ? "" : ` after ${formatDuration(ms)}`;
  if (termination === "Completed") return `completed${within}`;
  if (termination === "TimedOut") return `timed out${within}`;
  if (termination === "Aborted") return `ended${within}`;
  const how = code !== undefined ? `exit code ${code}` : signal ?? "not started";
  return `failed${within}: ${error?.kind === "host_missing" ? error.message : how}`;
}
