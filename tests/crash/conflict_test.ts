/** `expectedLastSeq` between processes: of equal expectations exactly one holds. */
import { assert, assertEquals } from "@std/assert";
import { openEventLog, readRun } from "../../eventlog/mod.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withMemoryDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";
import { report } from "./_report.ts";

const CONTENDERS = 8;
const ROUNDS = longCount(100, 2_000);
const COUNTS = longCount(50, 1_000);
const RUN_ID = "contended";

async function startContenders(root: string, stack: AsyncDisposableStack): Promise<Child[]> {
  await using _ = await openEventLog({ root, runId: RUN_ID });
  const random = new Random(seed());
  const children = Array.from({ length: CONTENDERS }, (_, index) => {
    const args = [root, RUN_ID, index, random.pick(["sync", "async"])];
    return stack.use(new Child("./_programs/contender.ts", { args }));
  });
  for (const child of children) assertEquals(await child.next(), "ready");
  return children;
}

async function readClaims(root: string): Promise<{ name: string; seq: number }[]> {
  const claims = [];
  for await (const page of readRun<{ name: string; seq: number }>(root, RUN_ID)) {
    assertEquals(page.gaps, []);
    claims.push(...page.events.map(({ event }) => event));
  }
  return claims;
}

Deno.test("of equal expectedLastSeq in 8 processes exactly one wins, round after round", async () => {
  await withMemoryDir(async (root) => {
    await using stack = new AsyncDisposableStack();
    const children = await startContenders(root, stack);
    const winners: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(children.map((child) => child.send(`expect ${round}`)));
      const answers = await Promise.all(children.map((child) => child.next()));
      winners.push(String(answers.indexOf(`won ${round + 1}`)));
      assertEquals(
        answers.toSorted(),
        [...Array(CONTENDERS - 1).fill(`conflict ${round + 1}`), `won ${round + 1}`],
      );
    }
    for (const child of children) await child.end();
    const expected = winners.map((name, index) => ({ name, seq: index + 1 }));
    assertEquals(await readClaims(root), expected);
    report(`${ROUNDS} rounds, won by ${new Set(winners).size} of ${CONTENDERS} processes`);
  });
});

Deno.test("8 processes that count with expectedLastSeq lose no count", async () => {
  await withMemoryDir(async (root) => {
    await using stack = new AsyncDisposableStack();
    const children = await startContenders(root, stack);
    for (const child of children) await child.send(`count ${COUNTS}`);
    let conflicts = 0;
    for (const child of children) {
      const [word, number] = (await child.next()).split(" ");
      assertEquals(word, "counted");
      conflicts += Number(number);
      await child.end();
    }
    const claims = await readClaims(root);
    assertEquals(claims.map(({ seq }) => seq), claims.map((_, index) => index + 1));
    for (let index = 0; index < CONTENDERS; index++) {
      assertEquals(claims.filter(({ name }) => name === String(index)).length, COUNTS);
    }
    assert(claims.length === CONTENDERS * COUNTS);
    report(`${claims.length} counts, ${conflicts} conflicts`);
  });
});
