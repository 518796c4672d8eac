import { checkFunction } from "../../_internal/errors.ts";
import { CaptureJournalError } from "../errors.ts";
import {
  decodeJournalLine,
  encodeJournalLine,
  isJson,
  type JournalLine,
  LinesHash,
  unknownVersionOf,
} from "./journal_lines.ts";
import {
  type CaptureLine,
  type CaptureLines,
  checkSource,
  JournalScan,
  type RawCaptureLine,
} from "./read_capture_lines.ts";

/** What stands for a line that is none. */
const UNREADABLE = "[taffrail: a line that cannot be read is left out]";

/**
 * Gives the lines of a journal with other content, in their places: for a copy that says less. Each line keeps its
 * number, and what it says of what is on disk; where a session was gone on with, the hash of the lines before it is
 * made anew, if it was right. A line that cannot be read is another one that cannot be. So the copy counts as far as
 * the journal does, and is damaged where that is.
 *
 * Hashes in a line are up to who rewrites it: that of a payload is {@linkcode computePayloadHash}, that of an effect
 * {@linkcode computeEffectHash}. Nothing is held but what stands in a line.
 *
 * Permissions: none.
 *
 * @param source The lines.
 * @param rewrite Gives a line with other content, of the same type; it is called for all that can be read, also for
 * those that do not count.
 * @returns The lines, each without its newline.
 * @throws {CaptureJournalError} `version` when a newer version began a session in it.
 * @throws {TypeError} When what a line becomes has another shape than its type says.
 *
 * @example What a program was given is kept back
 * ```ts
 * import {
 *   CapturingSession,
 *   computePayloadHash,
 *   recoverCapture,
 *   rewriteCaptureLines,
 *   stringifyCaptureJournal,
 * } from "@taffrail/taffrail/capture";
 * import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "@taffrail/taffrail/supervisor";
 * import { assertEquals } from "@std/assert";
 *
 * const session = new CapturingSession({
 *   graphId: "g",
 *   mode: "concurrent",
 *   constraints: { max_retries: 0 },
 *   decisionLog: new MemoryDecisionLog(),
 *   invoker: new FaultInvoker(),
 *   createSupervisor: (options) => new Supervisor(options),
 *   runtimeProvenance: "rpv1:sha256:test",
 * });
 * const at = { secs: 0, nanos: 0 };
 * await session.onEvent(createEvent({ id: "e1", kind: "Command", at, payload: '{"name":"ada"}' }));
 * await session.supervisor.idle();
 * const lines = stringifyCaptureJournal(session.intoBundle()).trimEnd().split("\n");
 *
 * const payload = "{}";
 * const payload_hash = computePayloadHash(new TextEncoder().encode(payload));
 * const told = await Array.fromAsync(rewriteCaptureLines(lines, (line) => {
 *   return line.type === "event" ? { ...line, payload, payload_hash } : line;
 * }));
 *
 * const { bundle } = await recoverCapture(told, { checkHashes: true });
 * const [first] = "inputs" in bundle ? bundle.inputs : [];
 * assertEquals(first?.type === "event" && first.payload, "{}");
 * ```
 */
export async function* rewriteCaptureLines(
  source: CaptureLines,
  rewrite: (line: CaptureLine) => CaptureLine,
): AsyncGenerator<string, void> {
  checkSource(source);
  checkFunction(rewrite, "rewrite");
  const lines = new RewrittenLines();
  for await (const raw of source) yield await lines.next(raw, rewrite);
}

/** The lines of a journal, and beside them what has become of those that count. */
class RewrittenLines {
  readonly #original: JournalScan;
  #counts = false;
  #hash = new LinesHash();

  constructor() {
    this.#original = new JournalScan(() => this.#counts = true, { checkHashes: true });
  }

  async next(raw: RawCaptureLine, rewrite: (line: JournalLine) => JournalLine): Promise<string> {
    if (typeof raw !== "string" && !(raw instanceof Uint8Array)) {
      this.#original.takeUnreadable(raw.unreadable);
      return UNREADABLE;
    }
    const placed = decoded(raw);
    this.#counts = false;
    this.#original.take(raw);
    if (this.#original.hasPiece) await this.#original.hashPiece();
    // What is JSON and wrong was not lost, which counts for what stands behind it.
    if (placed === undefined) return isJson(raw) ? JSON.stringify(UNREADABLE) : UNREADABLE;
    const { line, ...place } = placed;
    let rewritten = rewrite(line);
    // One that was not right is not right either.
    if (rewritten.type === "resumed" && this.#counts) {
      rewritten = { ...rewritten, hash: this.#hash.digest() };
    }
    const text = encodeJournalLine(place, rewritten);
    if (!this.#counts) return text;
    if (line.type === "session") this.#hash = new LinesHash();
    if (this.#hash.isFull) await this.#hash.nextPiece();
    this.#hash.add(text);
    return text;
  }
}

function decoded(raw: string | Uint8Array): ReturnType<typeof decodeJournalLine> | undefined {
  try {
    return decodeJournalLine(raw);
  } catch {
    const version = unknownVersionOf(raw);
    if (version === undefined) return undefined;
    const problem = `its journal_version is '${version}', which this version does not know`;
    throw new CaptureJournalError("version", `Cannot rewrite the journal: ${problem}`, {
      details: {},
    });
  }
}
