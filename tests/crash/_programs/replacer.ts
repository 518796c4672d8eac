import { atomicReplaceSync } from "../../../_internal/atomic_replace.ts";
import { denoFilePort } from "../../../_internal/file_port.ts";
import { encodeUtf8 } from "../../../_internal/text.ts";
import { say } from "./_pipe.ts";

/**
 * Replaces a file: writes half of it, says `half`, waits for a line, writes the rest, and says `done`.
 *
 * Usage: replacer.ts PATH
 */

const [path = ""] = Deno.args;

function* halves(): Generator<Uint8Array> {
  yield encodeUtf8('{"half":');
  say("half");
  Deno.stdin.readSync(new Uint8Array(8));
  yield encodeUtf8("true}\n");
}

const toError = ({ cause }: { cause: unknown }) => new Error("replacing failed", { cause });
atomicReplaceSync(denoFilePort, { path, bytes: halves(), toError });
say("done");
