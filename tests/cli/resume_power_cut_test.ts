/**
 * What a power cut may have taken from the records of a run whose process it ended, in real files: lines of
 * the journal that were not on disk, in any pattern, and any of the log. The run is gone on with.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { type Outcome, outcomeOf, saying, taffrailUntil } from "./_at_point.ts";
import { HAS_SIGNALS, start, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

/** A run that was killed, in memory. */
interface Killed {
  runId: string;
  journal: string[];
  log: string[];
  /** How many lines of its journal are known to be on disk. */
  synced: number;
}

/** A node has completed, and the next one is decided on; the last sync was before the first began. */
async function killedRun(cwd: string): Promise<Killed> {
  const nodes = { a: { run: saying("true") }, b: { run: saying("true") } };
  const flow = { name: "flow", nodes, constraints: { max_in_flight: 1 } };
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  const line = '"decision":"Invoke"';
  const point = { file: "capture.jsonl", at: { line }, nth: 2, how: "behind" } as const;
  const { code, stderr } = await taffrailUntil(point, ["run", "flow.json"], cwd);
  assertEquals(code, 137, stderr);
  await start("cp", ["-r", ".taffrail", "killed"], { cwd }).end();
  const runId = await onlyRun(`${cwd}/.taffrail`);
  const { journal, events } = runPaths(`${cwd}/.taffrail`, runId);
  const linesOf = async (path: string) => (await Deno.readTextFile(path)).split("\n").slice(0, -1);
  const lines = await linesOf(journal);
  const said = lines.map((text) => JSON.parse(text).synced ?? 0);
  return { runId, journal: lines, log: await linesOf(events), synced: Math.max(...said) };
}

/** Brings the records back to what the process left, and forgets what ran since. */
async function restore(cwd: string): Promise<void> {
  await Deno.remove(`${cwd}/.taffrail`, { recursive: true });
  await start("cp", ["-r", "killed", ".taffrail"], { cwd }).end();
  await Deno.writeTextFile(`${cwd}/ran`, "a1\n");
}

const whole = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
const nuls = (text: string) => "\0".repeat(text.length);

/** What may be left of lines of which the first ones are on disk. */
function imagesOf(lines: readonly string[], synced: number): [what: string, text: string][] {
  const images: [string, string][] = [];
  for (let index = synced; index < lines.length; index++) {
    const line = lines[index]!;
    const before = whole(lines.slice(0, index));
    const behind = whole(lines.slice(index + 1));
    images.push(
      [`nothing from line ${index + 1} on`, before],
      [`half of line ${index + 1}`, before + line.slice(0, line.length / 2)],
      [`NULs in place of line ${index + 1}`, `${before}${nuls(`${line}\n`)}${behind}`],
      [`NULs in the middle of line ${index + 1}`, before + halfNuls(line) + behind],
      [`NULs from line ${index + 1} on`, before + nuls(`${line}\n${behind}`)],
    );
  }
  return images;
}

function halfNuls(line: string): string {
  const half = line.length >> 1;
  return `${line.slice(0, half)}${nuls(line.slice(half))}\n`;
}

const AGAIN = ["1 cancelled", "2 Completed"];
const ONCE = ["1 Completed"];

/** What the run has to come to: what is lost of the journal was neither told nor begun. */
function expected(image: string, { journal, synced }: Killed): Outcome["attempts"] {
  const kept = whole(journal.slice(0, synced + 1));
  // Its second attempt runs where nobody knows of the end of the first one.
  const a = image.startsWith(kept) ? ONCE : AGAIN;
  const b = image === whole(journal) ? AGAIN : ONCE;
  return { a, b };
}

Deno.test({
  name: "resume goes on with what a power cut has left of the journal and the log",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withMemoryDir(async (cwd) => {
      const killed = await killedRun(cwd);
      assert(killed.journal.length - killed.synced > 2, `${killed.synced} lines are on disk`);
      const { runId, journal, synced, log } = killed;
      const paths = runPaths(`${cwd}/.taffrail`, runId);
      const logs = ["", whole(log), nuls(whole(log)), whole(log.slice(0, 1))];
      const images = [["all", whole(journal)] as const, ...imagesOf(journal, synced)];
      for (const [index, [what, text]] of images.entries()) {
        await restore(cwd);
        await Deno.writeTextFile(paths.journal, text);
        await Deno.writeTextFile(paths.events, logs[index % logs.length]!);
        const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
        assertEquals(code, 0, `${what}: ${stderr}`);
        const { attempts, ran } = await outcomeOf(cwd);
        assertEquals(attempts, expected(text, killed), what);
        const begun = attempts.a!.length === 2 ? ["a2"] : [];
        assertEquals(ran, ["a1", ...begun, attempts.b!.length === 2 ? "b2" : "b1"], what);
      }
    }),
});

Deno.test({
  name: "resume refuses a journal that has lost what was on disk, and leaves it as it is",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withMemoryDir(async (cwd) => {
      const { runId, journal, synced } = await killedRun(cwd);
      const { journal: path } = runPaths(`${cwd}/.taffrail`, runId);
      const lost = whole(journal.with(synced - 1, nuls(journal[synced - 1]!)));
      await Deno.writeTextFile(path, lost);
      const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `line ${synced} is damaged`);
      assertEquals(await Deno.readTextFile(path), lost);
    }),
});

Deno.test({
  name:
    "resume begins a run of whose journal a power cut has left no first line, and verify notes it",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withMemoryDir(async (cwd) => {
      const { runId, journal, synced } = await killedRun(cwd);
      const [first, ...behind] = journal.slice(0, synced);
      const paths = runPaths(`${cwd}/.taffrail`, runId);
      const lost = `${nuls(first!)}\n${whole(behind)}`;
      const cutOff = async (log: string) => {
        await restore(cwd);
        await Deno.writeTextFile(`${cwd}/ran`, "");
        await Deno.writeTextFile(paths.journal, lost);
        await Deno.writeTextFile(paths.events, log);
      };
      const verified = async () => {
        const { stdout } = await taffrail(["verify", "--json"], { cwd });
        return JSON.parse(stdout);
      };
      await cutOff("");
      const { problems, notes } = await verified();
      const of = notes.filter(({ part }: { part: string }) => part === "capture");
      assertEquals([problems, of.map(({ kind }: { kind: string }) => kind)], [[], ["lost-tail"]]);
      const { code, stderr } = await taffrail(["resume", "flow"], { cwd });
      assertEquals(code, 0, stderr);
      assertEquals((await outcomeOf(cwd)).attempts, { a: ONCE, b: ONCE });
      const { problems: left } = await verified();
      assertEquals(left, []);
      assertEquals((await taffrail(["replay", "flow"], { cwd })).code, 0);
      // What is readable and wrong was not lost.
      await cutOff("");
      await Deno.writeTextFile(paths.journal, `[]\n${whole(behind)}`);
      const refused = await taffrail(["resume", "flow"], { cwd });
      assertEquals(refused.code, 1);
      assertStringIncludes(refused.stderr, "its capture journal is damaged");
    }),
});
