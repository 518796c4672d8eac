/**
 * A process that captures on a small disk until that is full: `<directory>`. Then it makes room, goes on,
 * and prints how the session was stopped, how much it had promised, and how much it found.
 */
import {
  assertReplays,
  CaptureJournalError,
  openCaptureJournal,
  recoverCapture,
  resumeCapture,
} from "../../capture/mod.ts";
import { createSupervisor, event, newSession, sessionOptions } from "./_util.ts";

const [directory = ""] = Deno.args;
const journalPath = `${directory}/capture.jsonl`;
const filler = `${directory}/filler`;
await Deno.writeFile(filler, new Uint8Array(64 * 1024));
const rules = { mode: "concurrent", constraints: { max_retries: 0 } } as const;
const session = newSession({
  ...rules,
  journal: openCaptureJournal(journalPath, { durability: "disk" }),
});
const payload = JSON.stringify({ text: "x".repeat(1000) });
let promised = 0;
let stopped: unknown;
while (stopped === undefined) {
  try {
    await session.onEvent(event(`e${promised}`, 0, { payload }));
    promised++;
  } catch (error) {
    stopped = error;
  }
}
await session.close().catch(() => {});
await Deno.remove(filler);
const { damage, bundle } = await recoverCapture(journalPath);
const found = bundle.decisions.filter(({ decision }) => decision === "Invoke").length;
const resumed = await resumeCapture({ ...sessionOptions(), ...rules, journalPath });
await resumed.session.onEvent(event("after", 0, { payload }));
await resumed.session.close();
await assertReplays(resumed.session.intoBundle(), { createSupervisor });
const kind = stopped instanceof CaptureJournalError ? stopped.kind : String(stopped);
const answer = JSON.stringify({ kind, promised, found, damage });
Deno.stdout.writeSync(new TextEncoder().encode(answer));
