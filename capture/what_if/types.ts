import type {
  Constraints,
  Duration,
  EventTime,
  SupervisorOptions,
} from "../../supervisor/types.ts";
import type { CapturableSupervisor } from "../session/capturing_session.ts";
import type { AttemptView } from "./attempt_view.ts";

/** What {@linkcode whatIf} needs of a supervisor. The one of `@taffrail/taffrail/supervisor` has it. */
export interface WhatIfSupervisor extends CapturableSupervisor {
  /** When a Pump would next start an episode, `now` meaning at once; `null` when none would. */
  nextPumpAt(now: EventTime): EventTime | null;
}

/** Options of {@linkcode whatIf}. */
export interface WhatIfOptions {
  /** The limits that are to be other ones. What is left out is as it was; `null` is no such limit. */
  constraints: Partial<Constraints>;
  /**
   * Makes the supervisor: `(options) => new Supervisor(options)`. It must pass on every option that it
   * gets.
   */
  createSupervisor: (options: SupervisorOptions) => WhatIfSupervisor;
  /**
   * The ids of the events whose work had to be over before the program handed an event over: then it comes
   * sooner or later with them. What was not over by then is no such event. Without it each event comes when
   * it came.
   *
   * @default {every event came by itself}
   */
  dependsOn?: (eventId: string) => readonly string[];
  /**
   * What follows for the program when the work of an event has failed for good: nothing, that what depends
   * on it is not handed over, or that nothing more is begun.
   *
   * @default {() => "block"}
   */
  onFailure?: (eventId: string) => "go-on" | "block" | "stop";
  /**
   * Whether an event is handed over however its needs have ended, and after a failure that stops the rest.
   *
   * @default {() => false}
   */
  runsAlways?: (eventId: string) => boolean;
}

/** An attempt as it was, and as it would have been. */
export interface WhatIfAttempt {
  /** The event that asks for it. */
  eventId: string;
  /** Which attempt of its episode: the first is 1. */
  attempt: number;
  /** What is recorded of it; `null` when nothing was decided about such an attempt. */
  recorded: AttemptView | null;
  /** What would have been decided about it; `null` when nothing would, or that is not known. */
  whatIf: AttemptView | null;
  /** Whether another thing would have been decided, as far as that is known; times are not compared. */
  isChanged: boolean;
}

/** An attempt that the recording does not tell enough of. */
export interface UnknownAttempt {
  /** The event. */
  eventId: string;
  /** Which attempt of its episode. */
  attempt: number;
  /**
   * Why its end is not known.
   *
   * | Word | Meaning |
   * | --- | --- |
   * | `never-made` | the recording has no such attempt |
   * | `no-end` | its end is not recorded |
   * | `cut-off` | it was ended from outside, before it was over |
   * | `timed-out` | it was ended by a shorter deadline than it would have had |
   * | `no-length` | a serial session has no times, by which another deadline could be kept |
   * | `waits` | it would still wait, for one of these attempts |
   * | `not-asked` | it would not have been asked for before one of these attempts was over |
   */
  why:
    | "never-made"
    | "no-end"
    | "cut-off"
    | "timed-out"
    | "no-length"
    | "waits"
    | "not-asked";
}

/** What {@linkcode whatIf} found. */
export interface WhatIfReport {
  /** The limits that counted, and those that would have. */
  constraints: { recorded: Constraints; whatIf: Constraints };
  /** Every attempt, in the order of the events. */
  attempts: WhatIfAttempt[];
  /**
   * How long the work took, and would have taken: from the first input to the last, without the pauses
   * before a session was gone on with. `null` in `"serial"` mode, which does not record it. When anything is
   * unknown, `whatIf` is as far as it is known.
   */
  took: { recorded: Duration | null; whatIf: Duration | null };
  /** What the recording does not tell. */
  unknown: UnknownAttempt[];
}
