/** What the runtime has made other arguments of than were given. */
import { UsageError } from "../exit_codes.ts";
import { quoted } from "../text/printable.ts";

/**
 * Refuses arguments that are not UTF-8: the runtime gives them with U+FFFD in place of what makes no text, and
 * the command would run with other ones than were given. That character itself may be meant.
 *
 * @throws {UsageError} If one is so, or, where the system does not tell the bytes, if one may be so.
 */
export function refuseChangedArguments(args: readonly string[]): void {
  const given = givenArguments(args);
  if (given === undefined) {
    const doubtful = args.find((arg) => arg.includes("\ufffd"))!;
    throw new UsageError(
      `Cannot use the argument ${
        quoted(doubtful)
      }: it is not UTF-8, or has the character U+FFFD, ` +
        "and this system does not tell which; let a script give it",
    );
  }
  const changed = given.find((bytes) => !isUtf8(bytes));
  if (changed === undefined) return;
  const format = Array.from(changed, (byte) => {
    const isPlain = byte > 0x20 && byte < 0x7f && !`%\\'"`.includes(String.fromCharCode(byte));
    return isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
  }).join("");
  throw new UsageError(
    `Cannot use the argument "${format}": it is not UTF-8, and would become another one; a shell can ` +
      `make it for a command: sh -c 'COMMAND "$(printf "${format}")"'`,
  );
}

/** The bytes of the arguments; undefined where the system does not tell them. */
function givenArguments(args: readonly string[]): Uint8Array[] | undefined {
  try {
    const bytes = Deno.readFileSync("/proc/self/cmdline");
    const words: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = bytes.indexOf(0, at);
      words.push(bytes.subarray(at, end));
      at = end + 1;
    }
    // What stands before them is how this program was started.
    const given = words.slice(-args.length);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return given.every((word, index) => decoder.decode(word) === args[index]) ? given : undefined;
  } catch {
    return undefined;
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
