/** The power takes a part of a log, and goes again when its program goes on: what was told to be lost stays told. */
import { assertRejects } from "@std/assert";
import type { FilePort } from "../../../_internal/file_port.ts";
import { runPaths } from "../../../_internal/root_layout.ts";
import { openRootOnPort } from "../../../run/file_root/file_root.ts";
import { durable } from "../../../run/mod.ts";
import { everyCut } from "../../_util/every_cut.ts";
import { CHANGING_CALLS } from "../../_util/fault_script.ts";
import { hastyFilePort } from "../../_util/hasty_port.ts";
import { ask } from "../../cli/_command.ts";
import { checkRecords } from "../_records_agree.ts";

const RUN_ID = "run";
async function live(port: FilePort, path: string, { fails }: { fails: boolean }): Promise<void> {
  await using root = openRootOnPort(port, path);
  // A trace goes around a root that is on a simulated disk.
  const options = { root, runId: RUN_ID, name: "damaged", trace: { mode: "off" } } as const;
  await durable(options, async (run) => {
    await run.step("first", () => 1);
    if (fails) throw new Error("no");
    await run.step("second", () => 2);
  });
}

Deno.test("lines that a power cut took are told on disk before their program does more", async () => {
  await everyCut(
    async (port, root) => await live(port, root, { fails: false }),
    async (image) => {
      await live(hastyFilePort, image, { fails: false });
      await ask(["repair", "--root", image, RUN_ID], image);
      await checkRecords(image);
    },
    {
      base: hastyFilePort,
      only: CHANGING_CALLS,
      // Without luck, and with some that lose the log and keep the end of the journal.
      seeds: [0, 3, 4, 5],
      before: async (root) => {
        await assertRejects(() => live(hastyFilePort, root, { fails: true }), Error, "no");
        using log = await Deno.open(runPaths(root, RUN_ID).events, { write: true });
        await log.write(new Uint8Array(10));
      },
    },
  );
});
