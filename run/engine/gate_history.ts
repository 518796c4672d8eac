/**
 * What the journal of a run says of its gates: which wait, which were passed, and which messages of the
 * inbox were used up by that.
 *
 * What is always true:
 * - A gate that waits is the same ask however often the run is gone on with: its `until` stays.
 * - A message is used up by the line of the journal that names it. Of the messages for a gate the first
 *   counts that stands behind the one that was used up last.
 */
import type { WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { EventTime } from "../../supervisor/types.ts";

/** How a gate stands. */
export interface GateState {
  /** How often it was asked for. */
  asks: number;
  /** The line that says that it waits; undefined when it does not. */
  open: WaitRecord | undefined;
  /** How the last ask has ended, and when it began; undefined when none has. */
  ended: { waited: WaitedRecord; since: EventTime } | undefined;
  /** The last line of the inbox that was used up. */
  usedUp: number;
}

/** The gates of a run, line by line of its journal. */
export class GateHistory {
  readonly #gates = new Map<string, GateState>();

  /** The gates that wait. */
  get waiting(): string[] {
    return this.#idsOf(({ open }) => open !== undefined);
  }

  /** The gates that were passed, and not asked for again since. */
  get passed(): string[] {
    return this.#idsOf(({ open, ended }) => open === undefined && ended?.waited.how === "passed");
  }

  /** The gates that were asked for. */
  get asked(): string[] {
    return [...this.#gates.keys()];
  }

  /** How a gate stands. */
  of(gate: string): Readonly<GateState> {
    return this.#gates.get(gate) ?? { asks: 0, open: undefined, ended: undefined, usedUp: 0 };
  }

  /** Takes a line about a wait; of a sleep there is nothing to know here. */
  take(note: WaitRecord | WaitedRecord): void {
    const known = this.of(note.id);
    if (note.type === "wait") {
      if (note.kind !== "gate") return;
      this.#gates.set(note.id, { ...known, asks: known.asks + 1, open: note });
    } else if (known.open !== undefined) {
      const usedUp = Math.max(known.usedUp, note.inbox_line ?? 0);
      const ended = { waited: note, since: known.open.at };
      this.#gates.set(note.id, { ...known, open: undefined, ended, usedUp });
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#gates.clear();
  }

  #idsOf(isMeant: (state: GateState) => boolean): string[] {
    return [...this.#gates].filter(([, state]) => isMeant(state)).map(([id]) => id);
  }
}
