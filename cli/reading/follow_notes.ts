/**
 * What a program has recorded and waits for, as it comes: that is only in its journal, which is followed beside
 * the log. What is always true:
 *
 * - Each note is given once, in the order of the journal.
 * - Before an event all notes are given that are not younger than it; those that come when no event does are
 *   given with the next look.
 */
import { isObject } from "../../_internal/errors.ts";
import { millisecondsOf } from "../../_internal/event_time.ts";
import type { ProgramRecord, WaitedRecord, WaitRecord } from "../../capture/types.ts";
import type { RunView } from "../../run/types.ts";
import { printableLine } from "../text/printable.ts";
import { formatTime } from "../text/units.ts";
import { refusalOf } from "./program_facts.ts";
import { shortJson } from "./program_words.ts";

/** A line of the journal that people are told of. */
type Note = ProgramRecord | WaitRecord | WaitedRecord;

/** A note, and its line. */
export interface TakenNote {
  line: number;
  note: Note;
}

const PAGE = 1000;

/** Reads the notes of a journal, as far as it goes. */
export class NoteReader {
  readonly #view: RunView;
  readonly #gates = new Set<string>();
  #next: string | number;
  #waiting: TakenNote[] = [];
  #reading: Promise<TakenNote[]> = Promise.resolve([]);

  /** Those behind a line. */
  constructor(view: RunView, afterLine: number) {
    this.#next = afterLine;
    this.#view = view;
  }

  /** The notes up to a time, in milliseconds, that were not given yet. */
  upTo(atMs: number): Promise<TakenNote[]> {
    // Two who ask at the same time get each note once.
    return this.#reading = this.#reading.then(() => this.#read(atMs));
  }

  async #read(atMs: number): Promise<TakenNote[]> {
    for (let hasMore = !this.#isBehind(atMs); hasMore;) {
      const options = { after: this.#next, limit: PAGE };
      const page = await this.#view.lines("capture", options).catch(() => undefined);
      // There may be none yet, and what is wrong with it is told by others.
      if (page === undefined) break;
      for (const { event, seq } of page.events) this.#take(event, seq);
      this.#next = page.next;
      hasMore = page.hasMore && !this.#isBehind(atMs);
    }
    const young = this.#waiting.findIndex(({ note }) => millisecondsOf(note.at) > atMs);
    return this.#waiting.splice(0, young === -1 ? this.#waiting.length : young);
  }

  /** Whether what was read is younger. */
  #isBehind(atMs: number): boolean {
    const last = this.#waiting.at(-1);
    return last !== undefined && millisecondsOf(last.note.at) > atMs;
  }

  #take(event: unknown, line: number): void {
    if (!isObject(event) || !isObject(event.at) || typeof event.id !== "string") return;
    const { type } = event;
    if (type !== "record" && type !== "wait" && type !== "waited") return;
    const { line: _line, synced: _synced, ...note } = event;
    if (note.kind === "gate") this.#gates.add(event.id);
    // How the wait at a gate ended is an event.
    if (type === "waited" && this.#gates.has(event.id)) return;
    this.#waiting.push({ line, note: note as unknown as Note });
  }
}

/** A note in a line, as the events of a log are. */
export function noteText({ note }: TakenNote): string {
  const time = formatTime(new Date(millisecondsOf(note.at)).toISOString());
  const columns = [time, WORDS[note.type].padEnd(14), note.id, detailOf(note)];
  return printableLine(columns.filter((text) => text !== "").join("  "));
}

const WORDS = { record: "recorded", wait: "waits", waited: "waited" } as const;

function detailOf(note: Note): string {
  if (note.type === "record") {
    const refusal = refusalOf(note);
    if (refusal === undefined) return shortJson(note.data) ?? "";
    return `the answer was refused: ${refusal.problem}`;
  }
  if (note.type === "waited") return "";
  const until = note.until && formatTime(new Date(millisecondsOf(note.until)).toISOString());
  if (note.kind === "sleep") return `until ${until}`;
  return `for an answer${until === undefined ? "" : `, until ${until}`}`;
}
