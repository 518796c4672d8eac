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
  /** Gets it as it comes, too. */
  passOn?: OutputTaker | undefined;
  /** Whether that gets what is kept, and not all that was printed. */
  passesKept: boolean;
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
    const { mask, passOn, passesKept } = this.#options;
    const kept = (mask?.take(chunk) ?? chunk).slice();
    this.#keep(kept);
    const wish = passOn?.take(passesKept ? kept : chunk);
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
    const { mask, passOn, passesKept } = this.#options;
    const rest = mask?.end() ?? new Uint8Array();
    this.#keep(rest);
    if (passesKept && rest.length > 0) await passOn?.take(rest);
    await passOn?.end();
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
