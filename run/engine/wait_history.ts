/**
 * What the journal of a run says of its waits: which gates and sleeps wait, how the others have ended, and
 * which messages of the inbox were used up by that.
 *
 * What is always true:
 * - What waits is the same ask however often the run is gone on with: its `until` stays.
 * - A message is used up by the line of the journal that names it. Of the messages for a gate the first
 *   counts that stands behind the one that was used up last.
 */
import type { WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { EventTime } from "../../supervisor/types.ts";

/** How a gate or a sleep stands. */
export interface WaitState {
  /** Which of the two it is; undefined when it was never asked for. */
  kind: WaitRecord["kind"] | undefined;
  /** How often it was asked for. */
  asks: number;
  /** The line that says that it waits; undefined when it does not. */
  open: WaitRecord | undefined;
  /** How the last ask has ended, and when it began; undefined when none has. */
  ended: { waited: WaitedRecord; since: EventTime } | undefined;
  /** The last line of the inbox that was used up. */
  usedUp: number;
}

const UNASKED: WaitState = {
  kind: undefined,
  asks: 0,
  open: undefined,
  ended: undefined,
  usedUp: 0,
};

const REFUSAL = /^(.*)#\d+$/s;

/** The id of the record of a message that could not be used, by its line: a program may ask for none like it. */
export function refusalId(gate: string, line: number): string {
  return `${gate}#${line}`;
}

/** The gate of such a record; undefined for what a program has recorded. */
export function gateOfRefusal(id: string): string | undefined {
  return REFUSAL.exec(id)?.[1];
}

/** The waits of a run, line by line of its journal. */
export class WaitHistory {
  readonly #waits = new Map<string, WaitState>();
  /** What was recorded beside: by the program, and of messages whose value could not be used. */
  readonly records: Set<string> = new Set();

  /** The gates and sleeps that wait. */
  get waiting(): WaitRecord[] {
    return Array.from(this.#waits.values(), ({ open }) => open).filter((open) =>
      open !== undefined
    );
  }

  /** The gates that were passed, and not asked for again since. */
  get passed(): string[] {
    return this.#gatesOf(({ open, ended }) => open === undefined && ended?.waited.how === "passed");
  }

  /** The gates that were asked for. */
  get asked(): string[] {
    return this.#gatesOf(() => true);
  }

  /** How a gate or a sleep stands. */
  of(id: string): Readonly<WaitState> {
    return this.#waits.get(id) ?? UNASKED;
  }

  /** Takes a line about a wait. */
  take(note: WaitRecord | WaitedRecord): void {
    const known = this.of(note.id);
    if (note.type === "wait") {
      const asks = known.asks + 1;
      this.#waits.set(note.id, { ...known, kind: note.kind, asks, open: note });
    } else if (known.open !== undefined) {
      const usedUp = Math.max(known.usedUp, note.inbox_line ?? 0);
      const ended = { waited: note, since: known.open.at };
      this.#waits.set(note.id, { ...known, open: undefined, ended, usedUp });
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#waits.clear();
    this.records.clear();
  }

  #gatesOf(isMeant: (state: WaitState) => boolean): string[] {
    const gates = [...this.#waits].filter(([, state]) => state.kind === "gate" && isMeant(state));
    return gates.map(([id]) => id);
  }
}
