import { say } from "./_pipe.ts";

/**
 * Puts links that lead outside in the place of folders that are being removed, as fast as it can: of
 * everything below `ROOT/NAME/.removed-…`, until it is killed. Says `ready`, then `swapped` each time.
 *
 * Usage: link_swapper.ts DIRECTORY OUTSIDE
 */

const [directory = "", outside = ""] = Deno.args;

function swapBelow(path: string): void {
  for (const { name, isDirectory } of Deno.readDirSync(path)) {
    if (!isDirectory || name.startsWith("was-")) continue;
    try {
      Deno.renameSync(`${path}/${name}`, `${path}/was-${name}`);
      Deno.symlinkSync(outside, `${path}/${name}`);
      say("swapped");
    } catch { /* It is gone by now. */ }
  }
}

say("ready");
for (;;) {
  for (const { name } of Deno.readDirSync(directory)) {
    if (!name.startsWith(".removed-")) continue;
    try {
      swapBelow(`${directory}/${name}`);
    } catch { /* It is gone by now. */ }
  }
}
