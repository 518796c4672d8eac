import type { ClaimedJob } from "../../run/attempt_queue.ts";
import type { ClockTime } from "./lease.ts";

/** A job that this worker has, from its claim until its end was told, or it is lost. */
export class TakenJob {
  readonly claimed: ClaimedJob;
  /** Until when this worker has it, unless that is renewed. */
  until: ClockTime;
  /** The process of its command, which leads a group; undefined as long as there is none. */
  process: { pid: number; startTime?: number } | undefined;
  /** Whether its command is over, and only its end is to be told. */
  isEnding = false;
  /** Whether the worker gives it up, and nobody else has asked for its end. */
  isGivenUp = false;
  readonly #stop = new AbortController();
  readonly #kill = new AbortController();
  readonly #lost = new AbortController();

  constructor(claimed: ClaimedJob, until: ClockTime) {
    this.claimed = claimed;
    this.until = until;
  }

  /** Aborts when its command is to end; the reason of a deadline is a TimeoutError. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when its command gets no more grace. */
  get kill(): AbortSignal {
    return this.#kill.signal;
  }

  /** Aborts when this worker does not have it any more: then nothing of it is sent, for what reason says why. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Who offers it asks for its end. */
  cancel(how: "stop" | "deadline"): void {
    const name = how === "deadline" ? "TimeoutError" : "AbortError";
    this.#stop.abort(new DOMException(`it was cancelled: ${how}`, name));
  }

  /** The worker asks for its end, and does not wait for more than its grace. */
  giveUp(): void {
    if (!this.#stop.signal.aborted && !this.isEnding) this.isGivenUp = true;
    this.#stop.abort(new DOMException("its worker ends", "AbortError"));
  }

  /** Cuts the grace of its command short. */
  cutShort(): void {
    this.#kill.abort();
  }

  /** It is somebody else's now, or may be: its command ends at once. */
  lose(why: string): void {
    this.#lost.abort(new Error(why));
    this.#kill.abort();
    this.#stop.abort(this.#lost.signal.reason);
  }
}
