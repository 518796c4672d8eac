/**
 * The record of the calls that went through a port, and the faults it was told to make. It knows nothing
 * of files; `fault_port.ts` puts it around a real file port.
 */

import type { FileHandle, FilePort } from "../../_internal/file_port.ts";

/** The name of a call: of {@linkcode FilePort} or of {@linkcode FileHandle}. */
export type CallName = keyof FilePort | keyof FileHandle;

/** The calls that change what a disk may hold: after a call that only reads it is as it was before. */
export const CHANGING_CALLS: readonly CallName[] = [
  "openSync",
  "mkdirSync",
  "chmodSync",
  "renameSync",
  "removeSync",
  "writeSync",
  "truncateSync",
  "syncDataSync",
  "syncData",
  "syncSync",
  "sync",
];

/** One call that a program made. */
export interface Call {
  /** Its number, from 1, in the order in which the calls were made. */
  readonly n: number;
  readonly name: CallName;
  readonly path: string;
  /** The new name, for a rename. */
  readonly to?: string;
  /** For a read or a write: the bytes asked for and, once the call has ended, those handed over. */
  bytes?: number;
}

/** A call that is about to be made. */
export type CallRequest = Omit<Call, "n">;

/** Thrown by every call after the cut: a program without power does nothing more. */
export class PowerCut extends Error {
  /** The call after which the power was cut; undefined if it was between calls. */
  readonly after: Call | undefined;

  constructor(after: Call | undefined) {
    super(`Power was cut after ${after === undefined ? "the last call" : describeCall(after)}`);
    this.name = "PowerCut";
    this.after = after;
  }
}

/** A call in words; paths below `root` are shown relative to it. */
export function describeCall(call: Call, root?: string): string {
  const shorten = (path: string) =>
    root !== undefined && path.startsWith(root) ? "." + path.slice(root.length) : path;
  const to = call.to === undefined ? "" : ` to ${shorten(call.to)}`;
  const bytes = call.bytes ? `, ${call.bytes} bytes` : "";
  return `call ${call.n} (${call.name} ${shorten(call.path)}${to}${bytes})`;
}

/** What Deno throws when the disk is full. */
export function diskFullError(): Error {
  return Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
}

/** Which calls a fault counts, and what it throws. */
export interface FaultOptions {
  /**
   * Count only calls of these names.
   *
   * @default {every call}
   */
  only?: readonly CallName[];
  /**
   * What to throw.
   *
   * @default {a full disk}
   */
  error?: Error;
  /**
   * Let every later call that counts fail too, as on a disk that stays full.
   *
   * @default {false}
   */
  andLater?: boolean;
}

/** What is to happen to a call. */
interface Fault {
  error?: Error;
  /** A write hands over only so many bytes and returns their number. */
  shortBytes?: number;
}

type Rule = (call: Call) => Fault | undefined;

const WRITES: readonly CallName[] = ["writeSync"];

/** Records calls and lets some of them fail. */
export class FaultScript {
  /** Every call since the beginning or the last {@linkcode reset}, in order. */
  calls: Call[] = [];
  /** The last call that a fault was made in. */
  faulted: Call | undefined;
  #rules: Rule[] = [];
  #cutRule: ((call: Call) => boolean) | undefined;
  #cutAfter: Call | undefined;
  #isCut = false;
  #isNoticed = false;

  /** True once the power is cut. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /**
   * True once a call was refused for want of power. Until then the cut may just as well come later: what
   * a program does meanwhile without a file, it does.
   */
  get isCutNoticed(): boolean {
    return this.#isNoticed;
  }

  /** The call after which the power is, or is to be, cut. */
  get cutAfter(): Call | undefined {
    return this.#cutAfter;
  }

  /** How many calls of these names were made; of all names when none is given. */
  count(...names: CallName[]): number {
    if (names.length === 0) return this.calls.length;
    return this.calls.filter((call) => names.includes(call.name)).length;
  }

  get bytesRead(): number {
    return this.#sumOf("readSync", "read");
  }

  get bytesWritten(): number {
    return this.#sumOf("writeSync");
  }

  /** Forgets the calls and every fault that is still to come. What is on disk stays as it is. */
  reset(): void {
    this.calls = [];
    this.faulted = undefined;
    this.#rules = [];
    this.#cutRule = undefined;
    if (!this.#isCut) this.#cutAfter = undefined;
  }

  /** The `n`-th call from now (1 = the next) throws instead of doing anything. */
  failAt(n: number, options: FaultOptions = {}): void {
    const isNth = counter(n, options.only, options.andLater);
    this.#rules.push((call) =>
      isNth(call) ? { error: options.error ?? diskFullError() } : undefined
    );
  }

  /** Every call for which `decide` returns an error throws it instead of doing anything. */
  failWhen(decide: (call: Call) => Error | undefined): void {
    this.#rules.push((call) => {
      const error = decide(call);
      return error === undefined ? undefined : { error };
    });
  }

  /**
   * The `n`-th write from now hands over at most `bytes` bytes and *returns* their number, as Deno does
   * on a full disk. With `thenFail`, every later write throws.
   */
  shortWriteAt(n: number, bytes: number, options: { thenFail?: boolean | Error } = {}): void {
    const isNth = counter(n, WRITES);
    this.#rules.push((call) => isNth(call) ? { shortBytes: bytes } : undefined);
    const { thenFail = false } = options;
    if (thenFail === false) return;
    const error = thenFail === true ? {} : { error: thenFail };
    this.failAt(n + 1, { only: WRITES, andLater: true, ...error });
  }

  /** After the `n`-th call from now has ended, every later call throws {@linkcode PowerCut}. */
  cutAt(n: number, options: { only?: readonly CallName[] } = {}): void {
    this.#cutRule = counter(n, options.only);
  }

  /** Cuts the power now. */
  cutNow(): void {
    this.#isCut = true;
  }

  /** Makes a call: records it and gives `operation` the number of bytes if it is to be short. */
  perform<T>(request: CallRequest, operation: (shortBytes: number, call: Call) => T): T {
    const call = this.#begin(request);
    try {
      return operation(this.#refuseOrShorten(call), call);
    } catch (error) {
      if (call.bytes !== undefined) call.bytes = 0;
      throw error;
    } finally {
      this.#end(call);
    }
  }

  /** The asynchronous form of {@linkcode perform}: the power may be cut while the call is under way. */
  async performAsync<T>(request: CallRequest, operation: (call: Call) => Promise<T>): Promise<T> {
    const call = this.#begin(request);
    try {
      this.#refuseOrShorten(call);
      const result = await operation(call);
      if (this.#isCut) throw new PowerCut(this.#cutAfter);
      return result;
    } catch (error) {
      if (call.bytes !== undefined) call.bytes = 0;
      throw error;
    } finally {
      this.#end(call);
    }
  }

  #begin(request: CallRequest): Call {
    if (this.#isCut) {
      this.#isNoticed = true;
      throw new PowerCut(this.#cutAfter);
    }
    const call = { n: this.calls.length + 1, ...request };
    this.calls.push(call);
    if (this.#cutRule?.(call)) this.#cutAfter = call;
    return call;
  }

  #end(call: Call): void {
    if (call === this.#cutAfter) this.#isCut = true;
  }

  #refuseOrShorten(call: Call): number {
    let shortBytes = Infinity;
    // Every rule is asked, so that each counts the calls by itself.
    const faults = this.#rules.map((rule) => rule(call)).filter((fault) => fault !== undefined);
    if (faults.length > 0) this.faulted = call;
    for (const fault of faults) {
      if (fault.error !== undefined) throw fault.error;
      shortBytes = Math.min(shortBytes, fault.shortBytes ?? Infinity);
    }
    return shortBytes;
  }

  #sumOf(...names: CallName[]): number {
    return this.calls.reduce(
      (sum, call) => names.includes(call.name) ? sum + (call.bytes ?? 0) : sum,
      0,
    );
  }
}

/** A predicate that is true for the n-th call it is asked about that counts. */
function counter(n: number, only?: readonly CallName[], andLater = false): (call: Call) => boolean {
  if (!Number.isInteger(n) || n < 1) {
    throw new RangeError(`Cannot count to ${n}: calls are 1, 2, …`);
  }
  let seen = 0;
  return (call) => {
    if (only !== undefined && !only.includes(call.name)) return false;
    seen++;
    return seen === n || (andLater && seen > n);
  };
}
