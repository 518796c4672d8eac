import { compareTimes } from "../../_internal/event_time.ts";
import type { EventTime } from "../../supervisor/types.ts";

/** Something that is to happen. */
interface Due {
  readonly at: EventTime;
  /** Which of the recorded inputs it was: of what is due at the same time, the first comes first. */
  readonly place: number;
}

/** What is to happen, in the order in which it will. */
export class Agenda<T extends Due> {
  /** The next one stands last. */
  readonly #items: T[] = [];

  /** The next thing. */
  get next(): T | undefined {
    return this.#items.at(-1);
  }

  /** Takes the next thing out. */
  take(): T | undefined {
    return this.#items.pop();
  }

  /** Adds many things. */
  addAll(items: Iterable<T>): void {
    for (const item of items) this.#items.push(item);
    this.#items.sort((a, b) => compareDue(b, a));
  }

  /** Adds something. */
  add(item: T): void {
    const items = this.#items;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareDue(item, items[middle]!) < 0) low = middle + 1;
      else high = middle;
    }
    items.splice(low, 0, item);
  }
}

/** Negative when `a` comes before `b`. */
function compareDue(a: Due, b: Due): number {
  return compareTimes(a.at, b.at) || a.place - b.place;
}
