/** A process that was killed, and whose journal lost its end before anybody opened the runtime again. */
import { assertEquals, assertRejects } from "@std/assert";
import { FsRuntimeStore, repairStore, runtimeDirectory, verifyStore } from "../../store/mod.ts";
import { readBytes, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { readEvents, readTranscript } from "../store/_read.ts";
import { Owner, RUNTIME_ID } from "./_store_owner.ts";

const WORKER = "worker-00000001";

const DAMAGES: Record<string, (path: string) => void> = {
  "NULs": (path) => {
    const bytes = readBytes(path);
    const end = bytes.lastIndexOf(10);
    write(path, bytes.fill(0, bytes.lastIndexOf(10, end - 1) + 1, end + 1));
  },
  "a shorter file": (path) => {
    const bytes = readBytes(path);
    write(path, bytes.subarray(0, bytes.lastIndexOf(10, bytes.lastIndexOf(10) - 1) + 1));
  },
  "no file": (path) => Deno.removeSync(path),
};

/** Whether there are snapshots: of a runtime that was killed as it was made there is only the journal. */
const CASES: [what: string, hasSnapshots: boolean][] = [
  ["NULs", true],
  ["a shorter file", true],
  ["no file", true],
  ["NULs", false],
  ["a shorter file", false],
];

for (const [what, hasSnapshots] of CASES) {
  const whose = hasSnapshots ? "a runtime with snapshots" : "a new runtime";
  Deno.test(`three inputs to ${whose}, SIGKILL, and ${what} in place of the journal's end: no input is silently gone`, () =>
    withTempDir(async (root) => {
      {
        await using owner = await Owner.start(root);
        await owner.get({ do: "open" });
        await owner.get({ do: "create" });
        if (hasSnapshots) {
          await owner.get({ do: "close" });
          await owner.get({ do: "open" });
        }
        for (let n = 1; n <= 3; n++) await owner.get({ do: "send", worker: WORKER, bytes: n });
        await owner.kill();
      }
      DAMAGES[what]!(`${runtimeDirectory(root, RUNTIME_ID)}/journal-1.jsonl`);
      assertEquals((await verifyStore(root)).ok, false);
      const open = () => FsRuntimeStore.open({ root, runtimeId: RUNTIME_ID, readOnly: true });
      await assertRejects(open, Error, "corrupt data");
      const { ok, problems } = await repairStore(root);
      assertEquals([ok, problems], [true, []]);
      await using store = await open();
      const ref = { runtime_id: RUNTIME_ID, worker_id: WORKER };
      const entries = await readTranscript(store, ref, 10);
      assertEquals(entries.map(({ content }) => content), ["x", "xx", "xxx"]);
      assertEquals((await readEvents(store, RUNTIME_ID, 10)).length, 5);
    }));
}
