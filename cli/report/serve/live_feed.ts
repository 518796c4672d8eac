/**
 * What a live page is shown, for all who look at it at the same time: it is read once for all of them, and each is
 * sent what has changed since what they have. What is always true:
 *
 * - **It costs nothing when nobody looks.** It ends a moment after the last one has gone; who comes then begins a
 *   new one.
 * - **It takes a bounded part of a processor**: at most four reads a second, and behind each a pause of four times
 *   as long as it took.
 * - **Who is slow holds nobody up**, and has one message waiting at most: the next one is made when they can take
 *   it, of all that has changed until then.
 */
import { encodeUtf8, reasonOf } from "../../../_internal/text.ts";
import { wait } from "../../process/end_processes.ts";
import { lineText } from "../page_text.ts";
import { type DocumentShape, LiveDocument } from "./live_document.ts";

/** Where the data of a live page comes from. */
export interface LiveSource {
  /** What the data is made of. */
  readonly shape: DocumentShape;
  /** Reads the data; undefined when what it is of is gone. */
  read(): Promise<Record<string, unknown> | undefined>;
  /** Tells whenever something may have changed, until the signal aborts. */
  watch(onChange: () => void, signal: AbortSignal): Promise<void>;
}

/** The data, and up to where who has it has followed. */
export interface LivePage {
  data: Record<string, unknown>;
  position: string;
}

/** How a feed passes the time. */
export interface FeedTimes {
  /**
   * How long it goes on when nobody looks: who loads a page anew is gone for a moment.
   *
   * @default {5000}
   */
  lingerMs?: number;
  /**
   * How often is said that all is well, so that whoever hears nothing knows that it is not.
   *
   * @default {10_000}
   */
  pingMs?: number;
}

const LEAST_PAUSE_MS = 250;
const PAUSES_PER_READ = 4;

/** A feed, from when somebody asks for its page until nobody looks any more. */
export class LiveFeed {
  readonly #source: LiveSource;
  readonly #document: LiveDocument;
  /** Positions of another feed are none of this one. */
  readonly #epoch = crypto.getRandomValues(new Uint8Array(6)).toHex();
  readonly #over = new AbortController();
  #data: Record<string, unknown> | undefined;
  #problem: string | undefined;
  #isGone = false;
  #isStale = true;
  #watchers = 0;
  #lingering: ReturnType<typeof setTimeout> | undefined;
  readonly #pingMs: number;
  readonly #lingerMs: number;
  /** Who waits for something to change. */
  readonly #waiting = new Set<() => void>();
  /** Resolves when it has read once. */
  readonly #begun: Promise<void>;
  /** Resolves when nobody looks any more, or what it is of is gone. */
  readonly ended: Promise<void>;

  constructor(source: LiveSource, { lingerMs = 5000, pingMs = 10_000 }: FeedTimes = {}) {
    this.#source = source;
    this.#lingerMs = lingerMs;
    this.#pingMs = pingMs;
    this.#document = new LiveDocument(source.shape);
    this.#watch(0);
    this.#begun = this.#read();
    this.ended = this.#run();
  }

  /**
   * The data as it is now; undefined when what it is of is gone.
   *
   * @throws If it cannot be read.
   */
  async page(): Promise<LivePage | undefined> {
    this.#watch(1);
    await this.#begun;
    this.#watch(-1);
    if (this.#isGone) return undefined;
    if (this.#data === undefined) throw new Error(this.#problem);
    return { data: this.#data, position: this.#position };
  }

  /** Whether it tells nothing new any more: who comes now needs another one. */
  get isOver(): boolean {
    return this.#over.signal.aborted;
  }

  /** What changes from a position on, as a stream of events for `EventSource`. */
  events(after: string | undefined): ReadableStream<Uint8Array> {
    const [, version] = after?.split(".") ?? [];
    const isOurs = after?.startsWith(`${this.#epoch}.`);
    const seen = { version: isOurs ? Number(version) || 0 : 0, problem: "" };
    const gone = new AbortController();
    let isFirst = true;
    this.#watch(1);
    const leave = () => {
      if (gone.signal.aborted) return;
      gone.abort();
      this.#watch(-1);
    };
    return new ReadableStream({
      pull: async (controller) => {
        if (isFirst) {
          isFirst = false;
          controller.enqueue(encodeUtf8(`retry: 2000\n${pingText()}`));
          return;
        }
        const text = await this.#next(seen, gone.signal);
        if (gone.signal.aborted) return;
        if (text !== undefined) return controller.enqueue(encodeUtf8(text));
        controller.enqueue(encodeUtf8("event: gone\ndata: {}\n\n"));
        controller.close();
        leave();
      },
      cancel: leave,
    });
  }

  /** The next event for whoever has seen so much; undefined when there is none any more. */
  async #next(
    seen: { version: number; problem: string },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const pingAt = Date.now() + this.#pingMs;
    while (!signal.aborted) {
      const problem = this.#problem ?? "";
      if (problem !== seen.problem) {
        seen.problem = problem;
        // That it can be read again is told with what is read.
        if (problem === "") seen.version = Math.min(seen.version, this.#document.version - 1);
        else return `event: problem\ndata: ${JSON.stringify({ message: problem })}\n\n`;
      }
      const { version } = this.#document;
      if (version > seen.version) {
        const changes = this.#document.since(seen.version);
        seen.version = version;
        return `id: ${this.#position}\ndata: ${changes}\n\n`;
      }
      if (this.#isGone) return undefined;
      const pauseMs = pingAt - Date.now();
      if (pauseMs <= 0) return pingText();
      await this.#untilChanged(pauseMs, signal);
    }
    return undefined;
  }

  get #position(): string {
    return `${this.#epoch}.${this.#document.version}`;
  }

  async #untilChanged(milliseconds: number, signal: AbortSignal): Promise<void> {
    const changed = new AbortController();
    const tell = () => changed.abort();
    this.#waiting.add(tell);
    await wait(milliseconds, signal, changed.signal);
    this.#waiting.delete(tell);
  }

  #change(): void {
    for (const tell of this.#waiting) tell();
  }

  /** Somebody comes, or goes; without anybody it goes on for a moment. */
  #watch(change: number): void {
    this.#watchers += change;
    clearTimeout(this.#lingering);
    if (this.#watchers > 0) return;
    this.#lingering = setTimeout(() => this.#over.abort(), this.#lingerMs);
  }

  async #run(): Promise<void> {
    const { signal } = this.#over;
    const watching = this.#source.watch(() => {
      this.#isStale = true;
      this.#change();
    }, signal);
    let beganMs = performance.now();
    await this.#begun;
    while (!this.#isGone) {
      const tookMs = performance.now() - beganMs;
      await wait(Math.max(LEAST_PAUSE_MS, tookMs * PAUSES_PER_READ), signal);
      while (!this.#isStale && !signal.aborted) await this.#untilChanged(this.#pingMs, signal);
      if (signal.aborted) break;
      beganMs = performance.now();
      await this.#read();
    }
    clearTimeout(this.#lingering);
    this.#over.abort();
    await watching;
  }

  async #read(): Promise<void> {
    this.#isStale = false;
    try {
      const data = await this.#source.read();
      this.#isGone = data === undefined;
      this.#data = data ?? this.#data;
      this.#problem = undefined;
      if (data !== undefined) this.#document.take(data);
    } catch (error) {
      this.#problem = lineText(reasonOf(error));
    }
    this.#change();
  }
}

function pingText(): string {
  return `event: ping\ndata: ${JSON.stringify({ at: Date.now() })}\n\n`;
}
