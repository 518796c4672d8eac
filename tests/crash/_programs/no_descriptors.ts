/**
 * Uses a log while its process has no descriptor left, and says what came of each use.
 * `no_descriptors.ts <root> <run id>`
 */
import { EventLogError, openEventLogSync, readRunSync } from "../../../eventlog/mod.ts";
import { openCaptureJournal } from "../../../capture/mod.ts";

const [root = "", runId = ""] = Deno.args;
const encoder = new TextEncoder();

function say(what: string, use: () => unknown): void {
  let outcome: unknown;
  try {
    outcome = use();
  } catch (error) {
    const kind = error instanceof EventLogError ? error.kind : (error as Error).name;
    outcome = `${kind}: ${(error as Error).message}`;
  }
  Deno.stdout.writeSync(encoder.encode(`${what} ${JSON.stringify(outcome)}\n`));
}

function takeAll(): Deno.FsFile[] {
  const files: Deno.FsFile[] = [];
  for (;;) {
    try {
      files.push(Deno.openSync("/dev/null"));
    } catch {
      return files;
    }
  }
}

const log = openEventLogSync<{ n: number }>({ root, runId });
const other = openEventLogSync<{ n: number }>({ root, runId: `${runId}-2` });
log.appendSync({ n: 1 });
other.appendSync({ n: 1 });
Deno.writeTextFileSync(log.path, '{"n":', { append: true });
const files = takeAll();
say("torn", () => log.appendSync({ n: 2 }));
say("read", () => Array.from(readRunSync(root, runId)));
say("open", () => openEventLogSync({ root, runId }));
say("journal", () => openCaptureJournal(`${root}/capture.jsonl`));
say("append", () => other.appendSync({ n: 2 }));
say("disk", () => other.appendSync({ n: 3 }, { durability: "disk" }));
Deno.renameSync(other.path, `${other.path}.moved`);
say("replaced", () => other.appendSync({ n: 4 }, { durability: "disk" }));
for (const file of files) file.close();
say("mended", () => log.appendSync({ n: 2 }));
say("closed", () => other[Symbol.dispose]());
say("read", () => Array.from(readRunSync(root, runId)));
log[Symbol.dispose]();
