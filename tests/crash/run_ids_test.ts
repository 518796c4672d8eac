/** Run ids from many processes (OUL-1, OUL-2): distinct, and greater than all given out before. */
import { assert, assertEquals } from "@std/assert";
import { newRunId } from "../../eventlog/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";

const ALLOCATORS = 8;
const IDS_EACH = longCount(40, 1_000);
const ROUNDS = longCount(30, 500);
const KILLS = longCount(10, 200);
const RUN_ID = /^run-[0-7][0-9a-hjkmnp-tv-z]{25}$/;

async function startAllocator(root: string): Promise<Child> {
  const child = new Child("./_programs/allocator.ts", { args: [root, "run"] });
  try {
    assertEquals(await child.next(), "ready");
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

async function startAllocators(root: string, stack: AsyncDisposableStack): Promise<Child[]> {
  const starting = Array.from({ length: ALLOCATORS }, () => startAllocator(root));
  const children = await Promise.all(starting);
  for (const child of children) stack.use(child);
  return children;
}

async function takeIds(child: Child, count: number): Promise<string[]> {
  await child.send(String(count));
  const ids: string[] = [];
  while (ids.length < count) ids.push(await child.next());
  for (const id of ids) assert(RUN_ID.test(id), id);
  return ids;
}

Deno.test("newRunId() gives 8 processes at once distinct ids, to each increasing ones", () =>
  withMemoryDir(async (root) => {
    await using stack = new AsyncDisposableStack();
    const children = await startAllocators(root, stack);
    const lists = await Promise.all(children.map((child) => takeIds(child, IDS_EACH)));
    for (const ids of lists) assertEquals(ids, ids.toSorted(), "each sees increasing ids");
    assertEquals(new Set(lists.flat()).size, ALLOCATORS * IDS_EACH);
    const last = lists.flat().toSorted().at(-1)!;
    assertEquals(await Deno.readTextFile(`${root}/.ulid-last`), last.slice("run-".length) + "\n");
    for (const child of children) await child.end();
    report(`${ALLOCATORS * IDS_EACH} run ids from ${ALLOCATORS} processes, all distinct`);
  }));

Deno.test("newRunId() is strictly monotonic in the order of allocation, by whatever process", () =>
  withMemoryDir(async (root) => {
    await using stack = new AsyncDisposableStack();
    const random = new Random(seed());
    const children = await startAllocators(root, stack);
    let greatest = "";
    for (let round = 0; round < ROUNDS; round++) {
      // Those of a round are made at the same time, those of the next one after all of them.
      const some = children.filter(() => random.chance(0.3));
      const ids = (await Promise.all(some.map((child) => takeIds(child, 1)))).flat();
      for (const id of ids) assert(id > greatest, `${id} comes after ${greatest}`);
      assertEquals(new Set(ids).size, ids.length);
      greatest = [greatest, ...ids].toSorted().at(-1)!;
    }
    for (const child of children) await child.end();
  }));

Deno.test("newRunId() gives no id again after processes were killed while they made some", () =>
  withMemoryDir(async (root) => {
    const random = new Random(seed());
    const ids: string[] = [];
    for (let kills = 0; kills < KILLS; kills++) {
      await using child = await startAllocator(root);
      await child.send("1000000");
      for (let left = random.below(20); left > 0; left--) ids.push(await child.next());
      await child.kill();
      ids.push(...child.takeLines(), await newRunId({ root, name: "run" }));
    }
    assertEquals(ids, ids.toSorted());
    assertEquals(new Set(ids).size, ids.length);
  }));
