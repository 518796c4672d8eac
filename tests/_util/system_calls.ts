/**
 * The system calls of a program, in their order: what a test of "on disk before anybody is told" is made
 * of. `strace` records them, on Linux; a system without it has no trace.
 *
 * A call has two places in the order, since others come between its begin and its end: what was written
 * is covered by a sync that *began* after the write had *ended*, and a sync is over when it has *ended*.
 */

import { type Ended, RunningProcess } from "./process.ts";

/** One system call. */
export interface SystemCall {
  /** The process or thread that made it. */
  readonly pid: number;
  readonly name: string;
  /** The text between its parentheses, as `strace` wrote it. */
  readonly given: string;
  /** The place of its begin in the trace. */
  readonly began: number;
  /** The place of its end; infinite for one that never ended. */
  readonly ended: number;
  /** What it gave: -1 where it failed; undefined where it gave nothing. */
  readonly result: number | undefined;
}

/** The calls that write, sync and start programs: what decides what was on disk when. */
const TRACED = "execve,write,writev,pwrite64,pwritev,fdatasync,fsync";
/** No line that a test writes is longer. */
const MOST_BYTES = 1024 ** 2;

const LINE = /^(\d+) +(.*)$/;
// Of a thread that is killed under `strace` it knows little: "<detached ...>", "????( <unavailable>) = ?".
const UNFINISHED = /^([\w?]+)\((.*?),? *<(?:unfinished|detached) \.\.\.>$/s;
const RESUMED = /^<\.\.\. ([\w?]+) resumed>(.*)$/s;
const WHOLE = /^([\w?]+)\((.*)\) += +(-?\d+|\?)[^=]*$/s;
const REST = /^(.*)\) += +(-?\d+|\?)[^=]*$/s;

/** Whether calls can be traced here: `strace` is there, and may trace. */
export function canTrace(): boolean {
  if (Deno.build.os !== "linux") return false;
  try {
    const args = ["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=execve", "true"];
    return new Deno.Command("strace", { args, stdout: "null", stderr: "null" }).outputSync()
      .success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a command with nothing to read, and gives how it ended and the calls of it and its children. */
export async function traceCalls(
  command: readonly string[],
  options: { cwd: string; trace: string; env?: Record<string, string>; inject?: string },
): Promise<Ended & { calls: SystemCall[] }> {
  const { trace, inject, ...others } = options;
  // The filter lets the kernel pass over all other calls: a trace would be five times as slow.
  const flags = [
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-y",
    "-s",
    String(MOST_BYTES),
    "-e",
    `trace=${TRACED}`,
    ...(inject === undefined ? [] : ["-e", `inject=${inject}`]),
  ];
  await using child = new RunningProcess(["strace", ...flags, "-o", trace, ...command], others);
  await child.closeInput();
  const ended = await child.end();
  return { ...ended, calls: parseTrace(await Deno.readTextFile(trace)) };
}

/** Reads what `strace -f` wrote. */
export function parseTrace(text: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const open = new Map<string, number>();
  for (const [place, line] of text.split("\n").entries()) {
    const [, pidText, rest] = LINE.exec(line) ?? [];
    if (pidText === undefined || rest === undefined) continue;
    const pid = Number(pidText);
    const begun = UNFINISHED.exec(rest);
    const resumed = RESUMED.exec(rest);
    const whole = WHOLE.exec(rest);
    if (begun !== null) {
      const [, name = "", given = ""] = begun;
      open.set(`${pid} ${name}`, calls.length);
      calls.push({ pid, name, given, began: place, ended: Infinity, result: undefined });
    } else if (resumed !== null) {
      const [, name = "", tail = ""] = resumed;
      const [, given = "", result = "?"] = REST.exec(tail) ?? [];
      const key = `${pid} ${name}`;
      const index = open.get(key);
      if (index === undefined) throw new Error(`Cannot read the trace: no begin of "${line}"`);
      open.delete(key);
      const call = calls[index]!;
      calls[index] = {
        ...call,
        given: call.given + given,
        ended: place,
        result: numberOf(result),
      };
    } else if (whole !== null) {
      const [, name = "", given = "", result = "?"] = whole;
      calls.push({ pid, name, given, began: place, ended: place, result: numberOf(result) });
    } else if (!/^(---|\+\+\+) /.test(rest)) {
      throw new Error(`Cannot read the trace: "${line.slice(0, 200)}"`);
    }
  }
  return calls;
}

function numberOf(result: string): number | undefined {
  return result === "?" ? undefined : Number(result);
}

/** The number of the file that a call is about; undefined for a call about none. */
export function descriptorOf({ given }: SystemCall): number | undefined {
  const digits = /^\d+(?=[<,)]|$)/.exec(given)?.[0];
  return digits === undefined ? undefined : Number(digits);
}

/** The path of the file that a call is about; undefined where it is about none. */
export function pathOf({ given }: SystemCall): string | undefined {
  return /^\d+<(.*?)>(?:\(deleted\))?(?:,|$)/.exec(given)?.[1];
}

/** Whether a call syncs a file or a folder, and did. */
export function isSync({ name, result }: SystemCall): boolean {
  return (name === "fdatasync" || name === "fsync") && result === 0;
}

/** The text that a call wrote; undefined for one that wrote nothing. */
export function writtenText({ name, given, result }: SystemCall): string | undefined {
  if (!/^p?writev?(64)?$/.test(name) || result === undefined || result < 0) return undefined;
  const bytes = stringsIn(given).flatMap((string) => [...unescape(string)]);
  return new TextDecoder().decode(Uint8Array.from(bytes.slice(0, result)));
}

/** The words of the command line that an `execve` starts. */
export function commandLineOf({ given }: SystemCall): string[] {
  const decoder = new TextDecoder();
  const [, list = ""] = /^"(?:[^"\\]|\\.)*", \[(.*)\], /s.exec(given) ?? [];
  return stringsIn(list).map((string) => decoder.decode(Uint8Array.from(unescape(string))));
}

/** What stands between quotation marks; one that was cut is refused. */
function stringsIn(given: string): string[] {
  return [...given.matchAll(/"((?:[^"\\]|\\.)*)"(\.\.\.)?/gs)].map(([, string = "", cut]) => {
    if (cut !== undefined) throw new Error("Cannot read the trace: a text in it was cut");
    return string;
  });
}

const ESCAPES: Record<string, number> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, "\\": 92 };

/** The bytes of a string as `strace` writes it. */
function* unescape(string: string): Generator<number> {
  for (const [text, octal, hex] of string.matchAll(/\\([0-7]{1,3})|\\x([0-9a-f]{2})|\\?./gs)) {
    if (octal !== undefined) yield parseInt(octal, 8);
    else if (hex !== undefined) yield parseInt(hex, 16);
    else if (text.length === 2) yield ESCAPES[text[1]!] ?? text.charCodeAt(1);
    else yield text.charCodeAt(0);
  }
}
