/**
 * A root in an overlay file system, as in a container: who writes to a log of the lower layer makes the
 * system copy it up, and the follower that has the lower file open goes on.
 */
import { assertEquals } from "@std/assert";
import { numberedLines, writeRun } from "../eventlog/_runs.ts";
import { namesIn, readText } from "../_util/files.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const RUN_ID = "overlaid";

/** Runs a command where `$1/merged` shows `$1/lower` below `$1/upper`, for nobody else. */
const OVERLAID = `mount -t overlay overlay \\
  -o "lowerdir=$1/lower,upperdir=$1/upper,workdir=$1/work" "$1/merged" && shift && exec "$@"`;

function overlaid(directory: string, command: string[]): string[] {
  return ["unshare", "--mount", "sh", "-c", OVERLAID, "sh", directory, ...command];
}

async function withLayers(use: (directory: string) => Promise<void>): Promise<void> {
  await withMemoryDir(async (directory) => {
    for (const name of ["lower", "upper", "work", "merged"]) {
      await Deno.mkdir(`${directory}/${name}`);
    }
    await use(directory);
  });
}

/** Who may mount is root, and not in every container. */
async function mayMount(directory: string): Promise<boolean> {
  const [command = "", ...args] = overlaid(directory, ["true"]);
  try {
    return (await new Deno.Command(command, { args, stderr: "null" }).output()).success;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a follower goes on when its log is copied up in an overlay file system",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withLayers(async (directory) => {
      if (!await mayMount(directory)) return;
      writeRun(`${directory}/lower`, numberedLines(3), RUN_ID);
      await using child = new Child("./_programs/overlay_follower.ts", {
        args: [`${directory}/merged`, RUN_ID],
        wrap: (command) => overlaid(directory, command),
      });
      await child.ending();
      assertEquals(child.takeLines(), ["1", "2", "3", "4", "5"]);
      const folder = `runs/${RUN_ID}`;
      assertEquals(readText(`${directory}/lower/${folder}/events.jsonl`), numberedLines(3));
      assertEquals(readText(`${directory}/upper/${folder}/events.jsonl`), numberedLines(5));
      const kept = namesIn(`${directory}/upper/${folder}`).filter((name) => /lost|torn/.test(name));
      assertEquals(kept, []);
    }),
});
