import { assertEquals } from "@std/assert";
import { RecordingError } from "../../cli/engine/errors.ts";
import { withTempDir } from "../_util/temp.ts";

/** An error as the system gives it. */
function systemError(code: string): Error {
  return Object.assign(new Error(`${code} happened`), { code });
}

Deno.test("RecordingError says what helps against what the system says", () => {
  const REMEDIES: Record<string, string> = {
    ENOSPC: "free some space, or choose another --root",
    EDQUOT: "free some space, or choose another --root",
    EROFS: "make it writable, or choose another --root",
    EACCES: "make it writable, or choose another --root",
    EIO: "have the disk checked, or choose another --root",
    EMFILE: "let fewer commands run at a time, or allow more open files (ulimit -n)",
  };
  for (const [code, remedy] of Object.entries(REMEDIES)) {
    const cause = new Error("outer", { cause: systemError(code) });
    assertEquals(new RecordingError("run", { of: "run x", cause }).remedy, remedy);
  }
});

Deno.test("RecordingError names the output that has filled the disk", async () => {
  await withTempDir(async (outputs) => {
    await Deno.writeFile(`${outputs}/small.1.out`, new Uint8Array(300 * 1024));
    await Deno.writeFile(`${outputs}/flood.1.out`, new Uint8Array(1024 * 1024));
    const messageOf = (code: string) => {
      const options = { of: "run x", cause: systemError(code), outputs };
      return new RecordingError("run", options).message.split(";")[0];
    };
    const named = `Cannot record run x: ENOSPC happened (${outputs}/flood.1.out has 1.0MiB)`;
    assertEquals(messageOf("ENOSPC"), named);
    assertEquals(messageOf("EROFS"), "Cannot record run x: EROFS happened");
    await Deno.remove(`${outputs}/flood.1.out`);
    await Deno.truncate(`${outputs}/small.1.out`, 1000);
    assertEquals(messageOf("ENOSPC"), "Cannot record run x: ENOSPC happened");
  });
});
