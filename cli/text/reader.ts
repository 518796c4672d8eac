import { exitCodeOfSignal } from "../exit_codes.ts";
import type { Screen } from "./screen.ts";

/** What a command exits with whose reader has gone, as a shell says it of one that SIGPIPE ended. */
export const READER_GONE_CODE = exitCodeOfSignal(13);

/** How often to ask: the system notifies nobody who does not write. */
const LOOK_MS = 250;

/** Where the function `poll` of the C library is. */
const LIBRARIES: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libc.so.6",
  darwin: "/usr/lib/libSystem.B.dylib",
};

/** Of `poll`: the other end was closed. */
const POLLERR = 8;
const POLLHUP = 16;

/**
 * Whoever reads what is printed to standard output. A write tells that nobody does any more, but who waits
 * for something to come may not write for days: in between the system is asked, where that can be done.
 */
export class Reader implements Disposable {
  readonly #gone = new AbortController();
  readonly #screen: Screen;
  readonly #hasHungUp = openHangUp();
  readonly #timer: ReturnType<typeof setInterval>;

  /** `screen`: what it reads. */
  constructor(screen: Screen) {
    this.#screen = screen;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Aborts when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Looks now; returns whether nobody reads any more. */
  look(): boolean {
    if (!this.#gone.signal.aborted && (this.#screen.isUnread || this.#hasHungUp())) {
      this.#gone.abort();
    }
    return this.#gone.signal.aborted;
  }

  /** Asks no more. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * Asks the system about standard output. Nothing of Deno does: a write of nothing to a pipe that nobody
 * reads succeeds, and so does opening it once more. Without the permission for it nothing is asked.
 */
function openHangUp(): () => boolean {
  const library = LIBRARIES[Deno.build.os];
  const isGranted = Deno.permissions.querySync({ name: "ffi" }).state === "granted";
  if (library === undefined || !isGranted) return () => false;
  try {
    const parameters = ["buffer", "usize", "i32"] as const;
    const { symbols } = Deno.dlopen(library, { poll: { parameters, result: "i32" } });
    // A `struct pollfd`: the descriptor as 32 bits, what to look for and what was found as 16 bits each.
    const asked = new DataView(new ArrayBuffer(8));
    asked.setInt32(0, 1, true);
    return () => {
      asked.setInt16(6, 0, true);
      const found = symbols.poll(asked.buffer, 1n, 0);
      return found > 0 && (asked.getInt16(6, true) & (POLLERR | POLLHUP)) !== 0;
    };
  } catch {
    // Another C library: the next write tells.
    return () => false;
  }
}
