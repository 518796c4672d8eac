/**
 * A disk that is full, in a real process (W-FRS-6): the mutation throws with its cause, memory and disk
 * do not have it, and the next one works as soon as there is room.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { verifyStore, WorkerRuntime } from "../../store/mod.ts";
import type { WorkerInteractionAck, WorkerSummary } from "../../store/types.ts";
import { withTempDir } from "../_util/temp.ts";
import { readEvents, readTranscript } from "../store/_read.ts";
import { Owner, RUNTIME_ID } from "./_store_owner.ts";

/** In blocks of 512 bytes. Large enough for what Deno itself may write. */
const LIMIT_BLOCKS = 4096;
/** No file can grow beyond the limit; without the trap the process would be killed instead. */
const LIMIT_SCRIPT = `trap '' XFSZ; ulimit -f ${LIMIT_BLOCKS}; exec "$@"`;
const LARGE = 300_000;
const WORKER = "worker-00000001";

/** Sends until one is refused; returns how many were not. */
async function sendUntilFull(owner: Owner, bytes: number): Promise<number> {
  for (let done = 0;; done++) {
    assert(done < 1000, "the disk is full at some time");
    const { failure } = await owner.tell({ do: "send", worker: WORKER, bytes });
    if (failure === undefined) continue;
    assertEquals(failure.kind, "store-io");
    assertMatch(failure.message, /bytes were written|too large|os error|took none/i);
    return done;
  }
}

Deno.test({
  name: "a mutation that meets the largest file size throws its cause and leaves nothing (W-FRS-6)",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      let sent = 0;
      {
        await using owner = await Owner.start(root, {
          wrap: (command) => ["sh", "-c", LIMIT_SCRIPT, "sh", ...command],
        });
        await owner.get({ do: "open" });
        await owner.get<WorkerSummary>({ do: "create" });
        // Large ones until they do not fit, then small ones into the room that is left.
        sent += await sendUntilFull(owner, LARGE);
        const { transcript_sequence } = await owner.get<WorkerInteractionAck>(
          { do: "send", worker: WORKER, bytes: 1000 },
        );
        assertEquals(transcript_sequence, ++sent);
        sent += await sendUntilFull(owner, 20_000);
        await owner.kill();
      }
      // For this process there is room.
      const runtime = await WorkerRuntime.open({ root, runtimeId: RUNTIME_ID });
      const ref = { runtime_id: RUNTIME_ID, worker_id: WORKER };
      const entries = await readTranscript(runtime, ref);
      assertEquals(entries.map(({ sequence }) => sequence), entries.map((_, index) => index + 1));
      assertEquals(entries.length, sent);
      assertEquals((await readEvents(runtime, RUNTIME_ID)).length, sent + 2);
      const { transcript_sequence } = await runtime.sendInput(ref, { kind: "user", content: "x" });
      assertEquals(transcript_sequence, sent + 1);
      await runtime.close();
      assertEquals((await verifyStore(root)).problems, []);
    }),
});
