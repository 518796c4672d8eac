import type { FilePort } from "../../../_internal/file_port.ts";
import { removeRuntimeOnPort } from "../../../store/check/remove_runtime.ts";
import { RuntimeStoreError } from "../../../store/mod.ts";
import { hastyFilePort, removeByOne } from "../../_util/hasty_port.ts";
import { commands, say } from "./_pipe.ts";

/**
 * Removes a runtime when it is told `remove`, and says `removed` or `refused <kind>`. With a number it
 * kills itself before so many calls that move or remove something have been made.
 *
 * Usage: store_remover.ts ROOT RUNTIME_ID [N]
 */

const [root = "", runtimeId = "", last = "Infinity"] = Deno.args;
let left = Number(last);

function count(): void {
  if (--left === 0) Deno.kill(Deno.pid, "SIGKILL");
}

const port: FilePort = {
  ...hastyFilePort,
  renameSync(from, to) {
    count();
    hastyFilePort.renameSync(from, to);
  },
  removeSync(path, options) {
    if (options?.recursive) return removeByOne(port, path);
    count();
    hastyFilePort.removeSync(path);
  },
};

say("ready");
for await (const _ of commands()) {
  try {
    removeRuntimeOnPort(port, root, runtimeId);
    say("removed");
  } catch (error) {
    if (!(error instanceof RuntimeStoreError)) throw error;
    say(`refused ${error.kind}`);
  }
}
