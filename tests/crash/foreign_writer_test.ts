/**
 * Another program writes the same log: it locks the log itself, as this project does, and writes a line
 * and its newline one after the other. Nothing that either acknowledged is lost, and no lines fuse.
 */
import { assert, assertEquals } from "@std/assert";
import { openEventLogSync, readRunSync, verifyRun } from "../../eventlog/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir, withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";

const RUN_ID = "shared";
const FOREIGN_EVENTS = longCount(3_000, 25_000);
const OWN_EVENTS = longCount(3_000, 25_000);
const KILLS = longCount(6, 60);

interface NamedEvent {
  writer: string;
  n: number;
}

/** Which numbers of each writer are in the log, in their order there. */
function readNumbers(root: string): Map<string, number[]> {
  const numbers = new Map<string, number[]>();
  for (const { events, gaps } of readRunSync<NamedEvent>(root, RUN_ID)) {
    assertEquals(gaps, [], "no line is torn or fused");
    for (const { event: { writer, n } } of events) {
      const known = numbers.get(writer) ?? [];
      known.push(n);
      numbers.set(writer, known);
    }
  }
  return numbers;
}

function firstNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

function startForeign(path: string, name: string, count: number): Child {
  return new Child("./_programs/foreign_writer.ts", { args: [path, name, count] });
}

Deno.test({
  name:
    "two programs that lock the log themselves and two writers of ours lose nothing and fuse nothing",
  // There a lock on the log keeps others from writing it.
  ignore: Deno.build.os === "windows",
  fn: () =>
    withMemoryDir(async (root) => {
      using first = openEventLogSync<NamedEvent>({ root, runId: RUN_ID, lockTimeoutMs: 60_000 });
      using second = openEventLogSync<NamedEvent>({ root, runId: RUN_ID, lockTimeoutMs: 60_000 });
      await using stack = new AsyncDisposableStack();
      const foreign = ["a", "b"].map((name) =>
        stack.use(startForeign(first.path, name, FOREIGN_EVENTS))
      );
      for (const child of foreign) await child.next();
      const seqs = new Map<number, NamedEvent>();
      for (let n = 1; n <= OWN_EVENTS; n++) {
        seqs.set(first.appendSync({ writer: "first", n }).lastSeq, { writer: "first", n });
        const { lastSeq } = await second.append({ writer: "second", n });
        seqs.set(lastSeq, { writer: "second", n });
      }
      for (const child of foreign) await child.ending();

      const numbers = readNumbers(root);
      for (const name of ["a", "b"]) assertEquals(numbers.get(name), firstNumbers(FOREIGN_EVENTS));
      for (const name of ["first", "second"]) {
        assertEquals(numbers.get(name), firstNumbers(OWN_EVENTS));
      }
      for (const { events } of readRunSync<NamedEvent>(root, RUN_ID)) {
        for (const { seq, event } of events) {
          const expected = seqs.get(seq);
          if (expected !== undefined) assertEquals(event, expected, `seq ${seq}`);
          seqs.delete(seq);
        }
      }
      assertEquals(seqs.size, 0, "every seq that was told is that of its event");
      assert((await verifyRun(root, RUN_ID)).problems.every(({ kind }) => kind !== "torn"));
    }),
});

Deno.test({
  name: "another program that is killed between a line and its newline harms nobody",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (root) => {
      const random = new Random(seed());
      using log = openEventLogSync<NamedEvent>({ root, runId: RUN_ID, lockTimeoutMs: 60_000 });
      let own = 0;
      const told: number[] = [];
      for (let kill = 0; kill < KILLS; kill++) {
        await using child = startForeign(log.path, `k${kill}`, 1_000_000);
        let last = Number(await child.next());
        const until = last + random.below(300);
        while (last < until) {
          log.appendSync({ writer: "own", n: ++own });
          last = Math.max(last, ...child.takeLines().map(Number));
          await new Promise((resolve) => setTimeout(resolve));
        }
        await child.kill();
        told[kill] = Math.max(last, ...child.takeLines().map(Number));
        // The next program of that kind would write behind what this one may have left.
        log.appendSync({ writer: "own", n: ++own });
      }
      const numbers = readNumbers(root);
      assertEquals(numbers.get("own"), firstNumbers(own));
      for (const [kill, least] of told.entries()) {
        const found = numbers.get(`k${kill}`) ?? [];
        assertEquals(found, firstNumbers(found.length));
        assert(found.length >= least, `${found.length} of ${least} are there`);
      }
      report(`${KILLS} kills, ${own} events of ours, ${log.recovery.completed} completed`);
    }),
});
