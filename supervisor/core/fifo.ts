/** A queue that costs O(1) at both ends, whatever its length: a ring that doubles when it is full. */
export class Fifo<T> {
  #ring: (T | undefined)[] = new Array(8);
  #head = 0;
  #length = 0;

  /** How many items wait. */
  get length(): number {
    return this.#length;
  }

  /** Adds an item at the end. */
  push(item: T): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[this.#slot(this.#length++)] = item;
  }

  /** The item at a place counted from the front; undefined beyond the end. */
  at(index: number): T | undefined {
    return index < this.#length ? this.#ring[this.#slot(index)] : undefined;
  }

  /** Takes the first item away; undefined when there is none. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#ring[this.#head];
    this.#ring[this.#head] = undefined;
    this.#head = this.#slot(1);
    this.#length--;
    return item;
  }

  /** The items in order. */
  toArray(): T[] {
    return Array.from({ length: this.#length }, (_, index) => this.at(index) as T);
  }

  /** The length of the ring is a power of two, so that a mask wraps around. */
  #slot(index: number): number {
    return (this.#head + index) & (this.#ring.length - 1);
  }

  #grow(): void {
    const items: (T | undefined)[] = this.toArray();
    items.length = this.#ring.length * 2;
    this.#ring = items;
    this.#head = 0;
  }
}
