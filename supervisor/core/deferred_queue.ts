import type { EventTime, ExternalEvent } from "../types.ts";

/** An episode that waits. */
export interface DeferredEpisode {
  /** When it is due. */
  readonly at: EventTime;
  readonly episodeId: number;
  /** The event that it was made for. */
  readonly origin: ExternalEvent;
  /** How often it has been deferred. */
  readonly deferCount: number;
  /** How many attempts were made. */
  readonly attempts: number;
}

/** How many numbers a slot has, and where each of them is. */
const STRIDE = 5;
const SECS = 0;
const NANOS = 1;
const EPISODE_ID = 2;
const DEFER_COUNT = 3;
const ATTEMPTS = 4;

/**
 * The deferred episodes by (due time, episode id): a binary heap (SCH-1, SCH-10).
 *
 * Each episode has a slot as long as it waits, and its numbers stand side by side in one array; the
 * heap orders slots. So tens of thousands of episodes are two arrays of numbers, which cost the garbage
 * collector nothing and the processor's caches little.
 */
export class DeferredQueue {
  readonly #origins: (ExternalEvent | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  #numbers = new Float64Array(16 * STRIDE);
  #heap = new Uint32Array(16);
  #size = 0;
  /** The first episode, as an object; null when it has to be made again. */
  #first: DeferredEpisode | null = null;

  /** How many episodes wait. */
  get size(): number {
    return this.#size;
  }

  /** The episode that is due first. */
  first(): DeferredEpisode | undefined {
    if (this.#size === 0) return undefined;
    return this.#first ??= this.#episodeIn(this.#heap[0]!);
  }

  /** Adds an episode. */
  add({ at, episodeId, origin, deferCount, attempts }: DeferredEpisode): void {
    if (this.#size === this.#heap.length) this.#grow();
    const slot = this.#freeSlots.pop() ?? this.#origins.length;
    this.#origins[slot] = origin;
    const [numbers, start] = [this.#numbers, slot * STRIDE];
    numbers[start + SECS] = at.secs;
    numbers[start + NANOS] = at.nanos;
    numbers[start + EPISODE_ID] = episodeId;
    numbers[start + DEFER_COUNT] = deferCount;
    numbers[start + ATTEMPTS] = attempts;
    this.#rise(this.#size++, slot);
    if (this.#heap[0] === slot) this.#first = null;
  }

  /** Takes the first episode away. */
  removeFirst(): void {
    if (this.#size > 0) this.#removeAt(0);
  }

  /** Whether an episode waits. */
  has(episodeId: number): boolean {
    return this.#placeOf(episodeId) >= 0;
  }

  /** Takes an episode away that waits, and says what it was. */
  remove(episodeId: number): DeferredEpisode | undefined {
    const place = this.#placeOf(episodeId);
    if (place < 0) return undefined;
    const episode = this.#episodeIn(this.#heap[place]!);
    this.#removeAt(place);
    return episode;
  }

  /** The episodes in the order in which they come due. */
  toArray(): DeferredEpisode[] {
    const slots = this.#heap.slice(0, this.#size).sort((a, b) => this.#isBefore(a, b) ? -1 : 1);
    return Array.from(slots, (slot) => this.#episodeIn(slot));
  }

  /** Where an episode is in the heap, or −1. Who takes all of them out in order finds each at once. */
  #placeOf(episodeId: number): number {
    for (let place = 0; place < this.#size; place++) {
      if (this.#numbers[this.#heap[place]! * STRIDE + EPISODE_ID] === episodeId) return place;
    }
    return -1;
  }

  #removeAt(place: number): void {
    const slot = this.#heap[place]!;
    this.#origins[slot] = undefined;
    this.#freeSlots.push(slot);
    this.#first = null;
    this.#size--;
    if (place < this.#size) this.#rise(this.#emptyPlace(place), this.#heap[this.#size]!);
  }

  #episodeIn(slot: number): DeferredEpisode {
    const numbers = this.#numbers;
    const start = slot * STRIDE;
    return {
      at: { secs: numbers[start + SECS]!, nanos: numbers[start + NANOS]! },
      episodeId: numbers[start + EPISODE_ID]!,
      origin: this.#origins[slot]!,
      deferCount: numbers[start + DEFER_COUNT]!,
      attempts: numbers[start + ATTEMPTS]!,
    };
  }

  /** Puts a slot where it belongs between a place and the top. */
  #rise(place: number, slot: number): void {
    const heap = this.#heap;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!this.#isBefore(slot, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = slot;
  }

  /**
   * Moves an empty place to the bottom, by moving the smaller child up each time, and says where it is.
   * What fills it was at the bottom before and rarely rises: half the comparisons of sinking it.
   */
  #emptyPlace(place: number): number {
    const heap = this.#heap;
    for (let child = 2 * place + 1; child < this.#size; child = 2 * place + 1) {
      const right = child + 1;
      if (right < this.#size && this.#isBefore(heap[right]!, heap[child]!)) child = right;
      heap[place] = heap[child]!;
      place = child;
    }
    return place;
  }

  #isBefore(slotA: number, slotB: number): boolean {
    const numbers = this.#numbers;
    const [a, b] = [slotA * STRIDE, slotB * STRIDE];
    const order = numbers[a + SECS]! - numbers[b + SECS]! ||
      numbers[a + NANOS]! - numbers[b + NANOS]! ||
      numbers[a + EPISODE_ID]! - numbers[b + EPISODE_ID]!;
    return order < 0;
  }

  #grow(): void {
    const numbers = new Float64Array(this.#numbers.length * 2);
    numbers.set(this.#numbers);
    this.#numbers = numbers;
    const heap = new Uint32Array(this.#heap.length * 2);
    heap.set(this.#heap);
    this.#heap = heap;
  }
}

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
