/**
 * What an attempt gives, in pieces. What is always true:
 *
 * 1. **Without a byte there is no piece**, and none of an earlier attempt of that number either: the first
 *    piece takes the place of all that were there.
 * 2. **One piece is under way at a time**, and is sent again when its answer does not come: it has its number.
 * 3. What comes in small parts is sent a few times a second, so that others can watch it come.
 */
import type { AttemptFile } from "../_internal/root_layout.ts";
import { joinBytes } from "../_internal/text.ts";
import type { OutputStorage } from "../run/outputs.ts";

/** A piece that is this long is sent at once. */
const PIECE_BYTES = 256 * 1024;
/** Who writes waits when so much is still to be sent. */
const MOST_WAITING_BYTES = 4 * 1024 ** 2;
/** How long small parts are gathered. */
const GATHER_MS = 200;

/** Puts a piece of an output; no bytes: only what is under its number is removed, or what was sent is synced. */
export type PutPiece = (
  of: AttemptFile,
  piece: { number: number; bytes: Uint8Array | null; waits: boolean },
) => Promise<void>;

/** Something that an attempt gives, sent in pieces. */
export class OutputPieces implements OutputStorage {
  readonly #of: AttemptFile;
  readonly #put: PutPiece;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #sent = 0;
  #sending: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failure: { of: unknown } | undefined;

  constructor(of: AttemptFile, put: PutPiece) {
    this.#of = of;
    this.#put = put;
  }

  write(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes >= PIECE_BYTES) this.#send();
    else this.#timer ??= setTimeout(() => this.#send(), GATHER_MS);
  }

  async ready(): Promise<void> {
    while (this.#waitingBytes > MOST_WAITING_BYTES && this.#failure === undefined) {
      await (this.#sending ?? this.#send());
    }
  }

  async end({ sync: waits }: { sync: boolean }): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    clearTimeout(this.#timer);
    if (this.#waitingBytes > 0 || this.#sent === 0) await this.#sendAll({ waits });
    else if (waits) await this.#putNext(null, { waits });
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  #send(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#sending ??= this.#sendAll({ waits: false }).finally(() => {
      this.#sending = undefined;
      if (this.#waitingBytes > 0) this.#timer ??= setTimeout(() => this.#send(), GATHER_MS);
    });
  }

  async #sendAll(how: { waits: boolean }): Promise<void> {
    try {
      do {
        const bytes = joinBytes(this.#waiting.splice(0));
        this.#waitingBytes = 0;
        await this.#putNext(bytes.length === 0 ? null : bytes, how);
      } while (this.#waitingBytes >= PIECE_BYTES);
    } catch (error) {
      this.#failure ??= { of: error };
    }
  }

  async #putNext(bytes: Uint8Array | null, { waits }: { waits: boolean }): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure.of;
    await this.#put(this.#of, { number: this.#sent, bytes, waits });
    if (bytes !== null) this.#sent++;
  }
}
