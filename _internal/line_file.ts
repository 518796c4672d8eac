import type { FileHandle, FilePort } from "./file_port.ts";
import { countLinesSync } from "./json_lines.ts";
import { cutFileSync, lastLineEndSync, recoverTailSync, type Recovery } from "./tail.ts";
import { NEWLINE } from "./text.ts";

/** Lines to be appended together, each without its newline. */
export interface AppendRequest {
  lines: readonly string[];
  /** Answer only after an fdatasync. */
  onDisk: boolean;
  /** How many lines the file must have before; else `conflict`. */
  expectedLastSeq?: number | undefined;
}

/** The 1-based physical line numbers that a request got. */
export interface Appended {
  /** Number of the first line. */
  firstSeq: number;
  /** Number of the last line. */
  lastSeq: number;
}

/** Why an append did not succeed; the module that owns the file makes its error from it. */
export interface AppendFailure {
  kind: "busy" | "closed" | "conflict" | "io" | "lock-timeout" | "rewound" | "sync";
  cause?: unknown;
  expected?: number;
  actual?: number;
}

/** The file, and how its failures become the errors of the module that owns it. */
export interface LineFileOptions {
  port: FilePort;
  path: string;
  toError: (failure: AppendFailure) => Error;
}

/**
 * The file of lines itself. Whoever calls `mendTail`, `commit` or `commitAll` holds its lock; they
 * leave it ending in a whole line, with all lines of the call or, when the write fails, with none.
 */
export class LineFile {
  readonly #options: LineFileOptions;
  readonly #file: FileHandle;
  readonly #encoder = new LineEncoder();
  /** Lines before `#end`; both are 0 until the first commit counts them. */
  #lines = 0;
  #end = 0;
  #recovery: Recovery = { completed: false };

  constructor(options: LineFileOptions) {
    this.#options = options;
    this.#file = options.port.openSync(options.path, {
      read: true,
      append: true,
      create: true,
      mode: 0o600,
    });
  }

  /** The last mending of the file's end by this handle. */
  get recovery(): Recovery {
    return this.#recovery;
  }

  /** Completes or moves aside what a killed writer left behind the last newline. */
  mendTail(): void {
    const size = this.#file.seekSync(0, Deno.SeekMode.End);
    this.#recover(lastLineEndSync(this.#file, size), size);
  }

  /** Writes one request. */
  commit(request: AppendRequest): Appended {
    this.#catchUp();
    const firstSeq = this.#lines + 1;
    const conflict = this.#conflict(request, this.#lines);
    if (conflict !== undefined) throw conflict;
    if (request.lines.length > 0) this.#write(request.lines);
    return { firstSeq, lastSeq: this.#lines };
  }

  /** One write for all requests of a group whose expectation holds, in order. */
  commitAll(requests: readonly AppendRequest[]): (Appended | Error)[] {
    this.#catchUp();
    const lines: string[] = [];
    const outcomes = requests.map((request) => {
      const lastSeq = this.#lines + lines.length;
      const conflict = this.#conflict(request, lastSeq);
      if (conflict !== undefined) return conflict;
      for (const line of request.lines) lines.push(line);
      return { firstSeq: lastSeq + 1, lastSeq: lastSeq + request.lines.length };
    });
    if (lines.length > 0) this.#write(lines);
    return outcomes;
  }

  /** Makes what was written survive a power cut. */
  sync(): Promise<void> {
    return this.#file.syncData();
  }

  /** {@linkcode LineFile.sync}, blocking. */
  syncSync(): void {
    this.#file.syncDataSync();
  }

  close(): void {
    this.#file.close();
  }

  #conflict({ expectedLastSeq: expected }: AppendRequest, actual: number): Error | undefined {
    if (expected === undefined || expected === actual) return undefined;
    return this.#options.toError({ kind: "conflict", expected, actual });
  }

  #write(lines: readonly string[]): void {
    const bytes = this.#encoder.encode(lines);
    try {
      const written = this.#file.writeSync(bytes);
      if (written !== bytes.length) {
        throw new Error(`Only ${written} of ${bytes.length} bytes were written: is the disk full?`);
      }
    } catch (error) {
      throw this.#options.toError({ kind: "io", cause: this.#cutBack(error) });
    }
    this.#end += bytes.length;
    this.#lines += lines.length;
  }

  /** Removes what a failed write left, and returns the cause to tell. */
  #cutBack(writeError: unknown): unknown {
    try {
      cutFileSync(this.#options.port, this.#options.path, this.#end);
      return writeError;
    } catch (cutError) {
      const message = "The write failed and could not be cut back: some of its lines may remain";
      return new AggregateError([writeError, cutError], message, { cause: writeError });
    }
  }

  /** Takes in what others appended, and mends what a killed writer left. */
  #catchUp(): void {
    let size: number;
    try {
      size = this.#file.seekSync(0, Deno.SeekMode.End);
      if (size > this.#end) return this.#takeInOthers();
    } catch (cause) {
      throw this.#options.toError({ kind: "io", cause });
    }
    if (size < this.#end) {
      throw this.#options.toError({ kind: "rewound", expected: this.#end, actual: size });
    }
  }

  #takeInOthers(): void {
    const count = countLinesSync(this.#file, this.#end);
    const recovery = this.#recover(count.lineEnd, count.size);
    this.#lines += count.lines + (recovery.completed ? 1 : 0);
    this.#end = recovery.completed ? count.size + 1 : count.lineEnd;
  }

  #recover(tailStart: number, size: number): Recovery {
    const { port, path } = this.#options;
    const recovery = recoverTailSync(port, { path, file: this.#file, tailStart, size });
    if (recovery.completed || recovery.tornFile !== undefined) this.#recovery = recovery;
    return recovery;
  }
}

const KEPT_BUFFER_BYTES = 1024 * 1024;
const KEPT_VIEWS = 4096;
const encoder = new TextEncoder();

/** Turns lines into the bytes of one write, in a buffer that is used again. */
export class LineEncoder {
  #buffer = new Uint8Array(4096);
  /** Views of the buffer by length: making one costs as much as encoding a short line. */
  #views: Uint8Array[] = [];

  /** The lines, each with a newline; valid until the next call. */
  encode(lines: readonly string[]): Uint8Array {
    const text = lines.length === 1 ? lines[0]! : lines.join("\n");
    const most = text.length * 3 + 1;
    if (most > KEPT_BUFFER_BYTES) return encoder.encode(text + "\n");
    if (most > this.#buffer.length) this.#grow(most);
    const { written } = encoder.encodeInto(text, this.#buffer);
    this.#buffer[written] = NEWLINE;
    return this.#view(written + 1);
  }

  #grow(most: number): void {
    this.#buffer = new Uint8Array(2 ** Math.ceil(Math.log2(most)));
    this.#views = [];
  }

  #view(length: number): Uint8Array {
    if (length >= KEPT_VIEWS) return this.#buffer.subarray(0, length);
    return this.#views[length] ??= this.#buffer.subarray(0, length);
  }
}
