import { printable } from "../printable.ts";

const TAIL_BYTES = 8 * 1024;

/** The last lines of a file that a command printed to, fit for a terminal; none if it is gone. */
export function readOutputTail(path: string, lines: number): string[] {
  return printable(readEnd(path)).trimEnd().split("\n").slice(-lines)
    .filter((line, index) => line !== "" || index > 0);
}

function readEnd(path: string): string {
  try {
    using file = Deno.openSync(path);
    const size = file.seekSync(0, Deno.SeekMode.End);
    const start = file.seekSync(Math.max(0, size - TAIL_BYTES), Deno.SeekMode.Start);
    const bytes = new Uint8Array(TAIL_BYTES);
    const text = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
    return start === 0 ? text : text.slice(text.indexOf("\n") + 1);
  } catch {
    return "";
  }
}
