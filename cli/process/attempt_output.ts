import type { HeldRun, OutputRef, OutputSink } from "../../run/types.ts";
import { DIGEST_OF_NOTHING, failureMessageOf, TAIL_BYTES } from "./output_file.ts";
import type { MaskedStream } from "./secret_mask.ts";
import type { OutputTaker, TakeOutput } from "./output_pump.ts";

/** How one output of an attempt is kept. */
interface AttemptOutputOptions {
  /** Takes it. */
  held: Pick<HeldRun, "openOutput">;
  /** Which it is. */
  of: OutputRef;
  /** How much of it is kept. */
  maxBytes: number;
  /** Takes what is secret out of what is kept. */
  mask: MaskedStream | undefined;
  /** Gets it as it comes, too, and whole. */
  passOn?: OutputTaker | undefined;
}

/**
 * One of the outputs of an attempt, as it comes. Nobody is asked to keep anything before its first byte, and
 * its end is kept in memory, so that nobody has to read it back to say why a command failed.
 */
export class AttemptOutput {
  readonly #options: AttemptOutputOptions;
  #sink: OutputSink | undefined;
  #end: Uint8Array[] = [];
  #endBytes = 0;
  #isCut = false;

  constructor(options: AttemptOutputOptions) {
    this.#options = options;
  }

  /** Takes a chunk. What is kept of it is a copy: the buffer is read into again. */
  readonly take: TakeOutput = async (chunk) => {
    const { mask, passOn } = this.#options;
    this.#keep(mask === undefined ? chunk.slice() : mask.take(chunk).slice());
    const wish = passOn?.take(chunk);
    await this.#sink?.ready();
    return await wish;
  };

  #keep(kept: Uint8Array): void {
    if (kept.length === 0) return;
    const { held, of, maxBytes } = this.#options;
    this.#sink ??= held.openOutput(of, { maxBytes });
    this.#sink.write(kept, Date.now());
    this.#keepEnd(kept);
  }

  /**
   * Ends it.
   *
   * @returns Its digest, as it is recorded, and how many bytes were left out, if any were.
   */
  async close(options?: { sync: boolean }): Promise<{ hash: string; cut: number | undefined }> {
    const { mask, passOn } = this.#options;
    await passOn?.end();
    if (mask !== undefined) this.#keep(mask.end());
    const kept = await this.#sink?.close(options);
    const hash = kept === undefined ? DIGEST_OF_NOTHING : `sha256:${kept.sha256}`;
    return { hash, cut: kept?.leftOut || undefined };
  }

  /** Whether something secret was taken out of it. */
  get isMasked(): boolean {
    return this.#options.mask?.hasMasked ?? false;
  }

  /** Why the command failed, as far as its last words tell. */
  get failureMessage(): string {
    const decoder = new TextDecoder();
    const texts = this.#end.map((chunk) => decoder.decode(chunk, { stream: true }));
    const text = texts.join("") + decoder.decode();
    return failureMessageOf(this.#isCut ? text.slice(text.indexOf("\n") + 1) : text);
  }

  #keepEnd(chunk: Uint8Array): void {
    if (this.#options.of.stream !== "err") return;
    this.#end.push(chunk);
    this.#endBytes += chunk.length;
    while (this.#endBytes - this.#end[0]!.length >= TAIL_BYTES) {
      this.#endBytes -= this.#end.shift()!.length;
      this.#isCut = true;
    }
  }
}
