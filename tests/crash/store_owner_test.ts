/** Two processes that open one runtime: one owns it, the other is told who does (W-FRS-7). */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { verifyStore } from "../../store/mod.ts";
import type { RuntimeSummary } from "../../store/types.ts";
import { withTempDir } from "../_util/temp.ts";
import { Owner, RUNTIME_ID } from "./_store_owner.ts";

/** Windows lets nobody read what is locked. */
const PID_IS_READABLE = Deno.build.os !== "windows";

async function assertRefused(owner: Owner, holder: Owner): Promise<void> {
  const { failure } = await owner.tell({ do: "open" });
  assert(failure !== undefined, "a second owner is refused");
  assertEquals(failure.kind, "owned");
  assertStringIncludes(failure.message, RUNTIME_ID);
  if (!PID_IS_READABLE) return;
  assertEquals(failure.holderPid, holder.pid);
  assertStringIncludes(failure.message, String(holder.pid));
}

async function workerCount(owner: Owner): Promise<number> {
  return (await owner.get<RuntimeSummary>({ do: "summary" })).worker_count;
}

Deno.test("of two processes that open a runtime one owns it, and the other gets it after a close (W-FRS-7)", () =>
  withTempDir(async (root) => {
    await using first = await Owner.start(root);
    await using second = await Owner.start(root);
    await first.get({ do: "open" });
    await first.get({ do: "create" });
    await assertRefused(second, first);
    await first.get({ do: "create" });
    await assertRefused(second, first);
    await first.get({ do: "close" });

    await second.get({ do: "open" });
    assertEquals(await workerCount(second), 2);
    await assertRefused(first, second);
    await second.get({ do: "create" });
    await second.get({ do: "close" });
    await first.get({ do: "open" });
    assertEquals(await workerCount(first), 3);
    await first.get({ do: "close" });
    await first.end();
    await second.end();
    assertEquals((await verifyStore(root)).problems, []);
  }));

Deno.test("a runtime whose owner was killed is free at once, with all that was acknowledged (W-FRS-7)", () =>
  withTempDir(async (root) => {
    await using second = await Owner.start(root);
    for (let round = 1; round <= 3; round++) {
      await using first = await Owner.start(root);
      await first.get({ do: "open" });
      await first.get({ do: "create" });
      await assertRefused(second, first);
      await first.kill();
      await second.get({ do: "open" });
      assertEquals(await workerCount(second), round);
      await second.get({ do: "close" });
    }
    await second.end();
    assertEquals((await verifyStore(root)).problems, []);
  }));

Deno.test("two openings in one process exclude each other too (W-FRS-7)", () =>
  withTempDir(async (root) => {
    await using owner = await Owner.start(root);
    await owner.get({ do: "open" });
    await assertRefused(owner, owner);
    await owner.get({ do: "close" });
    await owner.get({ do: "open" });
    await owner.get({ do: "close" });
    await owner.end();
  }));
