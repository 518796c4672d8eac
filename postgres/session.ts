/**
 * The session by which a process holds runs. What is always true:
 *
 * 1. **Who holds a run has an advisory lock on this session**, which the server gives up when the session ends.
 *    It is looked at every few seconds, with the lease that goes by the clock of the server.
 * 2. **A session that is lost is made anew, and takes its locks again, with the same tokens.** Until then what
 *    is held is in doubt, and nothing new begins. It is lost only when another token is there, or the time of
 *    the lease is over on either clock of this machine: one of them stands still while it sleeps.
 * 3. **A wake-up is never trusted**: anybody can send one, and any of them can be missed. It only has its
 *    receiver look earlier.
 */
import { defined } from "../_internal/errors.ts";
import { requireDeno } from "../_internal/file_port.ts";
import { type RunError, runError } from "../run/run_error.ts";
import { Link } from "./link.ts";
import { isConnectionLost } from "./postgres_error.ts";
import type { PostgresClient, PostgresRow, PostgresValue } from "./types.ts";
import { Bell } from "./waiting.ts";

/** How often the session is looked at. */
const BEAT_MS = 5000;
/** How often it is tried again while it is away. */
const AWAY_MS = 250;
/** What a timer can wait at most. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A run that this process holds. */
export class Holding {
  readonly runNo: string;
  readonly token: bigint;
  readonly #runId: string;
  readonly #root: string;
  readonly #lost = new AbortController();
  #until: { performance: number; date: number };
  /** Fires when the lease is over: an answer that would say so may hang for longer. */
  #expiry: ReturnType<typeof setTimeout> | undefined;
  /** Resolves when the lock is known to be held; undefined while it is. */
  #confirmed: PromiseWithResolvers<void> | undefined;

  constructor(
    of: { runNo: string; token: bigint; runId: string; root: string },
    leaseMs: number,
  ) {
    this.runNo = of.runNo;
    this.token = of.token;
    this.#runId = of.runId;
    this.#root = of.root;
    this.#until = inMs(leaseMs);
    this.#awaitExpiry();
  }

  /** What the server has to be told with whatever only the holder may do. */
  get credentials(): [runNo: string, token: string] {
    return [this.runNo, String(this.token)];
  }

  /** Aborts when the run is not held any more. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves at once while the run is held, and when it is again; rejects when it is lost. */
  async confirmed(): Promise<void> {
    this.lost.throwIfAborted();
    await this.#confirmed?.promise;
    this.lost.throwIfAborted();
  }

  /** The lock is held, and the lease was renewed by a question that was asked then. */
  confirm(until: { performance: number; date: number }): void {
    if (this.lost.aborted) return;
    this.#until = until;
    this.#awaitExpiry();
    this.#confirmed?.resolve();
    this.#confirmed = undefined;
  }

  /** Nobody knows whether the lock is held. */
  doubt(): void {
    this.#confirmed ??= Promise.withResolvers();
  }

  /** Loses the run if the time of its lease is over. */
  loseIfOver(): void {
    const { performance: until, date } = this.#until;
    if (performance.now() < until && Date.now() <= date) return;
    this.lose("its lease could not be renewed in time");
  }

  /** The run is given up: nothing is to be lost any more. */
  end(): void {
    clearTimeout(this.#expiry);
  }

  #awaitExpiry(): void {
    clearTimeout(this.#expiry);
    const leftMs = Math.min(this.#until.performance - performance.now(), LONGEST_TIMER_MS);
    this.#expiry = setTimeout(() => {
      this.loseIfOver();
      if (!this.lost.aborted) this.#awaitExpiry();
    }, leftMs);
  }

  /** The run is lost: in words why, or by an error that says it. */
  lose(why: unknown): void {
    if (this.lost.aborted) return;
    this.end();
    this.#lost.abort(typeof why === "string" ? this.#lostError(why) : why);
    this.#confirmed?.resolve();
    this.#confirmed = undefined;
  }

  #lostError(why: string): RunError {
    const details = { runId: this.#runId, path: this.#root };
    const problem = `Cannot go on holding the run ${this.#runId} in ${this.#root}: ${why}`;
    return runError("lost", problem, { details });
  }
}

function inMs(ms: number): { performance: number; date: number } {
  return { performance: performance.now() + ms, date: Date.now() + ms };
}

/** One session of a process. */
export class Session {
  readonly #link: Link;
  readonly #root: string;
  readonly #leaseMs: number;
  readonly #holdings = new Map<string, Holding>();
  readonly #wakes = new Map<string, Set<() => void>>();
  readonly #closed = new AbortController();
  #isListening = false;
  #beating: Promise<void> | undefined;
  /** Rings for a look at once. */
  readonly #nextBeat = new Bell();

  constructor(client: PostgresClient, { leaseMs }: { leaseMs: number }) {
    this.#root = client.name;
    this.#leaseMs = leaseMs;
    this.#link = new Link(client, {
      onNotification: (_channel, payload) => this.#wake(payload),
      onClosed: () => this.#takeLoss(),
    });
  }

  /** How long a lease is, in whole seconds, as the server is asked for it. */
  get leaseSeconds(): number {
    return Math.ceil(this.#leaseMs / 1000);
  }

  /** Who this process is, for people. */
  get self(): string {
    const { pid, permissions, hostname } = requireDeno();
    const { state } = permissions.querySync({ name: "sys", kind: "hostname" });
    const host = state === "granted" ? hostname() : undefined;
    return JSON.stringify(defined({ host, pid, since: Date.now() }));
  }

  /** Asks something on the session; what was not answered is not asked again. */
  query(text: string, values?: readonly PostgresValue[]): Promise<readonly PostgresRow[]> {
    return this.#link.query(text, values);
  }

  /** Takes care of a lock that was just taken. */
  hold(of: { runNo: string; token: bigint; runId: string }): Holding {
    const holding = new Holding({ ...of, root: this.#root }, this.#leaseMs);
    this.#holdings.set(of.runNo, holding);
    this.#beat();
    return holding;
  }

  /** Gives a run up. */
  async release(holding: Holding): Promise<void> {
    this.#holdings.delete(holding.runNo);
    holding.end();
    try {
      await this.query("select taffrail.release_1($1::bigint, $2::bigint)", holding.credentials);
    } catch (error) {
      // The server gives up what a session has that is gone.
      if (!isConnectionLost(error)) throw error;
    }
  }

  /** Calls back when something may have come for a run, until it is disposed of. */
  onWake(runNo: string, wake: () => void): Disposable {
    const wakes = this.#wakes.get(runNo) ?? new Set();
    this.#wakes.set(runNo, wakes.add(wake));
    this.#beat();
    if (!this.#isListening) this.#nextBeat.ring();
    return {
      [Symbol.dispose]: () => {
        wakes.delete(wake);
        if (wakes.size === 0) this.#wakes.delete(runNo);
      },
    };
  }

  /** Gives up all. */
  async close(): Promise<void> {
    this.#closed.abort();
    this.#nextBeat.ring();
    for (const holding of this.#holdings.values()) holding.lose("its root was closed");
    this.#holdings.clear();
    await this.#beating;
    await this.#link.close();
  }

  get #isNeeded(): boolean {
    const isUsed = this.#holdings.size > 0 || this.#wakes.size > 0;
    return isUsed && !this.#closed.signal.aborted;
  }

  #beat(): void {
    this.#beating ??= this.#beatOn();
  }

  async #beatOn(): Promise<void> {
    const beatMs = Math.min(BEAT_MS, this.#leaseMs / 4);
    // What was just taken needs no look yet.
    let pauseMs = this.#wakes.size === 0 ? beatMs : 0;
    for (;;) {
      await this.#nextBeat.wait(pauseMs);
      if (!this.#isNeeded) {
        // In the same turn as the look: whoever holds something next has it looked after.
        this.#beating = undefined;
        return;
      }
      const isSound = await this.#look();
      for (const holding of this.#holdings.values()) {
        holding.loseIfOver();
        if (holding.lost.aborted) this.#holdings.delete(holding.runNo);
      }
      pauseMs = isSound ? beatMs : AWAY_MS;
    }
  }

  /** Looks whether all is as it should be; false when it has to be looked again soon. */
  async #look(): Promise<boolean> {
    try {
      await this.#listen();
      return await this.#confirmAll();
    } catch {
      this.#doubtAll();
      return false;
    }
  }

  async #listen(): Promise<void> {
    if (this.#isListening || this.#wakes.size === 0) return;
    await this.query("listen taffrail");
    this.#isListening = true;
    // What came before is looked for now.
    for (const runNo of this.#wakes.keys()) this.#wake(runNo);
  }

  async #confirmAll(): Promise<boolean> {
    if (this.#holdings.size === 0) return true;
    const until = inMs(this.#leaseMs);
    const pairs = Array.from(this.#holdings.values(), ({ credentials }) => credentials.join(" "));
    const values = [pairs.join("\n"), this.leaseSeconds];
    const [row] = await this.query("select taffrail.renew_1($1, $2::int) as held", values);
    const held = new Set(String(row?.held).split(" "));
    let areAll = true;
    for (const holding of [...this.#holdings.values()]) {
      if (held.has(holding.runNo)) holding.confirm(until);
      else if (!await this.#holdAgain(holding)) areAll = false;
    }
    return areAll;
  }

  /** Takes a lock again that a session before this one had; false when it has to be tried again. */
  async #holdAgain(holding: Holding): Promise<boolean> {
    holding.doubt();
    const until = inMs(this.#leaseMs);
    const [row] = await this.query(
      "select taffrail.hold_again_1($1::bigint, $2::bigint, $3::int) as answer",
      [...holding.credentials, this.leaseSeconds],
    );
    // It may have been given up meanwhile.
    if (!this.#holdings.has(holding.runNo)) return true;
    if (row?.answer === "held") holding.confirm(until);
    else if (row?.answer === "lost") holding.lose("another process holds it");
    else return false;
    return true;
  }

  /** The session is gone; a new one is tried for at once. */
  #takeLoss(): void {
    this.#doubtAll();
    this.#nextBeat.ring();
  }

  #doubtAll(): void {
    this.#isListening = false;
    for (const holding of this.#holdings.values()) holding.doubt();
  }

  #wake(runNo: string): void {
    for (const wake of this.#wakes.get(runNo) ?? []) wake();
  }
}
