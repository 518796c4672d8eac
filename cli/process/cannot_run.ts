/**
 * Why a program could not be started, told in the system's word and with what to do about it.
 *
 * - A file that the system cannot execute is refused before it is started where that can be told: the C
 *   library hands such a file to `sh`, which would run a picture as a script. A text without `#!` stays a
 *   script of `sh`, as every shell takes it.
 * - What is only short for the moment, as process ids and memory are, is no fault of the program: it may be
 *   tried again.
 */
import { defined, TaffrailError } from "../../_internal/errors.ts";
import { fromHex, reasonOf } from "../../_internal/text.ts";
import type { ErrorRecord } from "../../run/types.ts";
import type { RunTermination } from "../../supervisor/types.ts";
import { lookAt } from "../files.ts";
import type { NoProgram } from "../flow/find_programs.ts";
import { printableLine } from "../text/printable.ts";

/** What was to be started. */
interface Start {
  /** The path of the program. */
  program: string;
  /** Where it was to run. */
  cwd: string;
}

/** Numbers of errors that Deno does not name, on Linux and macOS alike. */
const CODES: Readonly<Record<number, string>> = {
  5: "EIO",
  8: "ENOEXEC",
  11: "EAGAIN",
  12: "ENOMEM",
  23: "ENFILE",
  24: "EMFILE",
  26: "ETXTBSY",
};

/** What may be there again in a moment. */
const SHORT_OF = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]);

const NOT_EXECUTABLE = "Exec format error";

/** A file that the system has no way to execute. */
class NotExecutable extends Error {
  readonly code = "ENOEXEC";

  constructor() {
    super(`${NOT_EXECUTABLE} (os error 8)`);
  }
}

/**
 * Refuses a file that the system cannot execute.
 *
 * @throws If it is a program of another machine, or neither a program nor a script.
 */
export function refuseNotExecutable(program: string): void {
  if (Deno.build.os !== "linux") return;
  const head = readHead(program);
  if (head === undefined || isExecutable(head) || isOfTaughtFormat(program, head)) return;
  throw new NotExecutable();
}

/** Whether it can never be started as it is, or the system is short of something for the moment. */
type NotStartedKind = "not-executable" | "short";

/** A program could not be started. */
export class NotStartedError
  extends TaffrailError<NotStartedKind, { program: string; code: string | undefined }> {
  /** The name of the class. */
  override readonly name = "NotStartedError";

  /** Says why, in the system's word, and what to do. */
  static of(cause: unknown, start: Start): NotStartedError {
    const { program } = start;
    const { code, word } = systemErrorOf(cause);
    const { why, remedy } = reasonFor(code, start);
    const said = code === undefined ? word : `${word}, ${code}`;
    const what = why === undefined ? said : `${why} (${said})`;
    const end = remedy === undefined ? "" : `: ${remedy}`;
    const kind = code !== undefined && SHORT_OF.has(code) ? "short" : "not-executable";
    const message = `Cannot run ${program}: ${what}${end}`;
    const options = { details: { program, code }, remedy, cause };
    return new NotStartedError(kind, printableLine(message), options);
  }

  /** It was looked for, and is not there, or not a program. */
  static notFound(
    program: string,
    { problem: message, isThere = false }: NoProgram,
  ): NotStartedError {
    const details = { program, code: isThere ? "EACCES" : "ENOENT" };
    return new NotStartedError("not-executable", printableLine(message), { details });
  }

  /** What the supervisor decides by: only what was short for the moment is tried again. */
  get termination(): RunTermination {
    return { Failed: this.kind === "short" ? "AdapterUnavailable" : "ValidationFailed" };
  }

  /** What is recorded of it. */
  get record(): ErrorRecord {
    const { name, message, details: { code } } = this;
    return { name, message, ...defined({ code }), kind: "host_missing" };
  }
}

/** The name of the system's error, and what the system says of it, without what Deno puts around that. */
function systemErrorOf(cause: unknown): { code: string | undefined; word: string } {
  const text = reasonOf(cause);
  const [, said, number] = /^(?:Failed to spawn '[^]*': )?([^]*?) \(os error (\d+)\)$/.exec(text) ??
    [];
  const named: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
  const code = typeof named === "string" ? named : CODES[Number(number)];
  return { code, word: said ?? text.replace(/^Failed to spawn '[^]*': /, "") };
}

/** Why a program could not be started, as far as more can be said than the system does. */
interface Reason {
  why?: string;
  remedy?: string;
}

function reasonFor(code: string | undefined, { program, cwd }: Start): Reason {
  const directory = lookAt(cwd);
  if (directory === undefined) {
    return { why: `its cwd ${cwd} is gone`, remedy: "make that folder again" };
  }
  if (!directory.isDirectory) {
    return { why: `its cwd ${cwd} is no folder`, remedy: "put a folder there" };
  }
  switch (code) {
    case "ENOENT":
      return reasonForMissing(program);
    case "EACCES":
    case "EPERM":
      return reasonForDenied(program);
    default:
      return code === undefined ? {} : REASONS[code] ?? {};
  }
}

const SHORT: Reason = {
  why: "the system is short of what that takes",
  remedy: "run less at a time",
};

const REASONS: Readonly<Record<string, Reason>> = {
  ENOEXEC: {
    why: "it is no program for this system",
    remedy: "build it for this one, or begin a script with a line such as #!/bin/sh",
  },
  ETXTBSY: { why: "it is open for writing", remedy: "let whatever writes it end first" },
  E2BIG: {
    why: "its arguments and variables are too long",
    remedy: "hand them over in a file",
  },
  EAGAIN: SHORT,
  EMFILE: SHORT,
  ENFILE: SHORT,
  ENOMEM: SHORT,
};

/** Either the program is missing or what the system needs to execute it. */
function reasonForMissing(program: string): Reason {
  if (lookAt(program) === undefined) return { why: "it is gone", remedy: "make it again" };
  const interpreter = interpreterOf(program);
  if (interpreter === undefined) {
    return { why: "what has to load it is missing", remedy: "build it for this system" };
  }
  const remedy = interpreter.endsWith("\r")
    ? "save it with the line ends of Unix"
    : "install that, or correct the line";
  return {
    why: `its first line asks for ${JSON.stringify(interpreter)}, which is missing`,
    remedy,
  };
}

function reasonForDenied(program: string): Reason {
  const info = lookAt(program);
  if (info?.isDirectory) return { why: "it is a folder", remedy: "name a program" };
  if (info !== undefined && !mayBeExecuted(program)) {
    return { why: "it is not executable", remedy: "chmod +x it" };
  }
  const interpreter = interpreterOf(program);
  if (interpreter !== undefined && !mayBeExecuted(interpreter)) {
    const why = `its first line asks for ${JSON.stringify(interpreter)}, which is not executable`;
    return { why, remedy: "correct the line" };
  }
  return {
    why: "it may not be executed where it is",
    remedy: "look for a file system that is mounted noexec, or a folder that may not be entered",
  };
}

function mayBeExecuted(path: string): boolean {
  const info = lookAt(path);
  return info === undefined || (info.isFile && ((info.mode ?? 0o111) & 0o111) !== 0);
}

/** As much as tells a format, and as the system reads of a first line. */
const HEAD_BYTES = 256;

/** The first bytes of a file; undefined where they cannot be read. */
function readHead(path: string): Uint8Array | undefined {
  try {
    // Opening a pipe would wait for whoever writes to it.
    if (!Deno.statSync(path).isFile) return undefined;
    using file = Deno.openSync(path);
    const head = new Uint8Array(HEAD_BYTES);
    return head.subarray(0, file.readSync(head) ?? 0);
  } catch {
    return undefined;
  }
}

/** The program that the first line of a script asks for. */
function interpreterOf(path: string): string | undefined {
  const head = readHead(path);
  if (head === undefined || head[0] !== 0x23 || head[1] !== 0x21) return undefined;
  const end = head.indexOf(0x0a);
  const line = new TextDecoder().decode(head.subarray(2, end === -1 ? undefined : end));
  return /^[ \t]*([^ \t]*)/.exec(line)?.[1];
}

const ELF = [0x7f, 0x45, 0x4c, 0x46];
const ELF_MACHINE_AT = 18;
/** The machines whose programs Linux runs, by the name of its own. */
const ELF_MACHINES: Readonly<Record<string, readonly number[]>> = {
  x86_64: [62, 3],
  aarch64: [183, 40],
};

/** Whether the system executes a file that begins like this, or a shell takes it for a script. */
function isExecutable(head: Uint8Array): boolean {
  if (head[0] === 0x23 && head[1] === 0x21) return true;
  if (ELF.some((byte, index) => head[index] !== byte)) return isText(head);
  const machines = ELF_MACHINES[Deno.build.arch];
  return machines === undefined || machines.includes(head[ELF_MACHINE_AT] ?? 0);
}

/** Shells look at the first line: where that has control characters it is no script. */
function isText(head: Uint8Array): boolean {
  const end = head.indexOf(0x0a);
  const line = end === -1 ? head : head.subarray(0, end);
  return line.every((byte) =>
    byte >= 0x20 ? byte !== 0x7f : (byte >= 7 && byte <= 13) || byte === 27
  );
}

const FORMATS = "/proc/sys/fs/binfmt_misc";

/** Whether the system was taught a format like this, as of another machine or of Java. */
function isOfTaughtFormat(program: string, head: Uint8Array): boolean {
  try {
    return Array.from(Deno.readDirSync(FORMATS), ({ name }) => name)
      .filter((name) => name !== "register" && name !== "status")
      .some((name) => isOfFormat(Deno.readTextFileSync(`${FORMATS}/${name}`), program, head));
  } catch {
    return false;
  }
}

/** `format`: what Linux tells of one; its bytes are in hexadecimal digits. */
function isOfFormat(format: string, program: string, head: Uint8Array): boolean {
  if (!format.startsWith("enabled")) return false;
  const field = (name: string) => new RegExp(`^${name} (.*)$`, "m").exec(format)?.[1];
  const extension = field("extension");
  if (extension !== undefined) return program.endsWith(extension);
  const [magic, mask] = [fromHex(field("magic") ?? ""), fromHex(field("mask") ?? "")];
  const offset = Number(field("offset") ?? 0);
  return magic.length > 0 &&
    magic.every((byte, at) => ((head[offset + at] ?? 0) & (mask[at] ?? 255)) === byte);
}
