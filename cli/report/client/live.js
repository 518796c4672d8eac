/** Keeps a page up with what it shows: the server tells what changes, as long as it and its data are there. */
import { part } from "./dom.js";
import { timeText } from "./words.js";

/** A page that nobody sees only looks from time to time: a browser has few connections for all of them. */
const HIDDEN_PAUSE_MS = 10_000;
/** The server says something every ten seconds. */
const SILENCE_MS = 30_000;
const NO_LONGER_LIVE = "no longer live, as of";
const TICK_MS = 1000;
/** Of the time that is left between two ticks, showing them takes no more than a part. */
const PAUSES_PER_TICK = 10;

/**
 * How the data of a page changes.
 *
 * @typedef {object} Keeping
 * @property {string} list The member that is a list, of which items are told by their places.
 * @property {string} readAt The member that says when the data was read.
 * @property {(data: any) => void} update Shows the data as it is now.
 * @property {(data: any) => boolean} isMoving Whether it changes by time alone, as what takes long does.
 */

/**
 * Changes, as the server tells them.
 *
 * @typedef {object} Changes
 * @property {number} readAt When they were read.
 * @property {Record<string, unknown>} members Members of the data that are not as they were; null: it is gone.
 * @property {number} count How long the list is.
 * @property {[place: number, item: unknown][]} items What in it is not as it was.
 */

/** Keeps the data of a page as it is where it comes from. */
export class Live {
  #data;
  #keeping;
  #events;
  #position;
  /** @type {EventSource | undefined} */
  #source;
  /** When something was heard last, by the clock of this machine. */
  #heardMs = Date.now();
  /** When the server was asked last. */
  #askedMs = Date.now();
  /** When the data was read, and when that was heard. */
  #read;
  #isLost = false;
  #isOver = false;

  /**
   * @param {any} data What the page shows already.
   * @param {Keeping} keeping How it changes.
   */
  constructor(data, keeping) {
    const { events, position } = JSON.parse(part("live").textContent ?? "");
    this.#data = data;
    this.#keeping = keeping;
    this.#events = events;
    this.#position = position;
    this.#read = { atMs: data[keeping.readAt], heardMs: performance.now() };
    document.body.classList.add("live");
    document.addEventListener("visibilitychange", () => this.#lookAgain());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#lookAgain());
    setInterval(() => this.#listen(), SILENCE_MS / 3);
    this.#tickIn(TICK_MS);
    this.#connect();
  }

  #connect() {
    this.#source?.close();
    if (this.#isOver) return;
    this.#askedMs = Date.now();
    const source = new EventSource(`${this.#events}?after=${this.#position}`);
    this.#source = source;
    source.addEventListener("message", ({ data, lastEventId }) => {
      this.#position = lastEventId;
      this.#take(JSON.parse(data));
      this.#hear();
    });
    source.addEventListener("ping", () => this.#hear());
    source.addEventListener("problem", ({ data }) => {
      this.#lose(`this cannot be read now: ${JSON.parse(data).message}; shown as of`);
    });
    source.addEventListener("gone", () => {
      this.#isOver = true;
      source.close();
      this.#lose("this run has been removed, shown as of");
    });
    source.addEventListener("error", () => this.#lose(NO_LONGER_LIVE));
  }

  /**
   * @param {Changes} changes What has changed.
   */
  #take({ readAt, members, count, items }) {
    const { list, readAt: readMember } = this.#keeping;
    for (const [name, value] of Object.entries(members)) {
      if (value === null) delete this.#data[name];
      else this.#data[name] = value;
    }
    const all = this.#data[list].slice(0, count);
    for (const [place, item] of items) all[place] = item;
    this.#data[list] = all;
    this.#data[readMember] = readAt;
    this.#read = { atMs: readAt, heardMs: performance.now() };
    this.#keeping.update(this.#data);
  }

  #hear() {
    this.#heardMs = Date.now();
    this.#isLost = false;
    this.#say("live", "live");
    if (document.hidden) this.#rest();
  }

  /** Somebody may have stopped the server, or this machine, without a word. */
  #listen() {
    const silentMs = Date.now() - Math.max(this.#heardMs, this.#askedMs);
    if (silentMs > SILENCE_MS && !document.hidden) this.#lose(NO_LONGER_LIVE);
  }

  /**
   * @param {string} why Why what is shown is not that of now.
   */
  #lose(why) {
    // What was said before says more.
    if (this.#isLost && why === NO_LONGER_LIVE) return;
    this.#isLost = true;
    this.#say("lost", `${why} ${timeText(this.#heardMs)}`);
  }

  /**
   * @param {string} name What kind of news it is.
   * @param {string} text The news.
   */
  #say(name, text) {
    const state = part("live-state");
    state.className = name;
    if (state.textContent !== text) state.textContent = text;
  }

  #rest() {
    this.#source?.close();
    setTimeout(() => this.#lookAgain(), HIDDEN_PAUSE_MS);
  }

  #lookAgain() {
    if (this.#source?.readyState === EventSource.CLOSED) this.#connect();
  }

  /**
   * What takes long grows without any news.
   *
   * @param {number} milliseconds When.
   */
  #tickIn(milliseconds) {
    setTimeout(() => {
      const { update, isMoving, readAt } = this.#keeping;
      const beganMs = performance.now();
      if (!this.#isLost && !document.hidden && isMoving(this.#data)) {
        this.#data[readAt] = this.#read.atMs + Math.round(beganMs - this.#read.heardMs);
        update(this.#data);
      }
      this.#tickIn(Math.max(TICK_MS, (performance.now() - beganMs) * PAUSES_PER_TICK));
    }, milliseconds);
  }
}
