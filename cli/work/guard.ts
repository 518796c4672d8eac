/**
 * The worker's side of its guard: starts it, and tells it which jobs there are. What is always true:
 *
 * 1. **No command starts before its job was told to the guard**: what a killed worker leaves is found by its mark.
 * 2. What is told is the newest there is, as a whole: while it is written, what comes is gathered.
 * 3. **Without a guard nothing may run**: when it is gone, whoever has it is told.
 */
import { thisCommand } from "../process/this_command.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import type { GuardedJob } from "./guard_process.ts";

/** What makes the command the guard of its parent. */
export const GUARD_WORD = "guard";

/** The guard of this process. */
export class Guard implements AsyncDisposable {
  /** Aborts when the guard has ended by itself. */
  readonly gone: AbortSignal;
  readonly #gone = new AbortController();
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #list: () => readonly GuardedJob[];
  /** Resolves when what there was when it began is written. */
  #writing: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #isClosing = false;

  /** Starts it; `list` gives what there is to guard. */
  constructor(list: () => readonly GuardedJob[]) {
    const [program, ...args] = thisCommand(["work", GUARD_WORD]);
    this.#child = new Deno.Command(program!, {
      args,
      stdin: "piped",
      stdout: "null",
      stderr: "inherit",
      // What a terminal sends to the worker is not for the guard.
      detached: true,
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#list = list;
    this.gone = this.#gone.signal;
    void this.#child.status.then(({ code, signal }) => {
      if (this.#isClosing) return;
      const how = signal ?? `exit code ${code}`;
      this.#gone.abort(new Error(`Cannot go on working: the guard process has ended (${how})`));
    });
  }

  /** Tells what there is to guard now; resolves when the guard cannot miss it any more. */
  tell(): Promise<void> {
    if (this.#writing === undefined) return this.#writing = this.#write();
    return this.#next ??= this.#writing.then(() => {
      this.#next = undefined;
      return this.#writing = this.#write();
    });
  }

  /** Nothing runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await this.#writing?.catch(() => {});
    await this.#writer.close().catch(() => {});
    await this.#child.status;
  }

  async #write(): Promise<void> {
    this.gone.throwIfAborted();
    try {
      await this.#writer.write(encodeUtf8(`${JSON.stringify(this.#list())}\n`));
    } finally {
      if (this.#next === undefined) this.#writing = undefined;
    }
  }
}
