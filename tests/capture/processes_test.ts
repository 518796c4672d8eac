/** What must hold between processes, and when one of them is killed. */
import { assert, assertEquals } from "@std/assert";
import { assertReplays, readCaptureBundle, recoverCapture } from "../../capture/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { createSupervisor, EXPECTED } from "./_util.ts";

function start(program: string, args: readonly string[]): Deno.ChildProcess {
  const script = new URL(program, import.meta.url).href;
  const options = ["run", "--quiet", "--no-check", "--allow-read", "--allow-write", script];
  return new Deno.Command(Deno.execPath(), {
    args: [...options, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** Kills a process when it has printed a number of lines, or one that says `run`. */
async function killAfter(child: Deno.ChildProcess, count: number): Promise<string[]> {
  const decoder = new TextDecoder();
  let text = "";
  let isKilled = false;
  for await (const bytes of child.stdout) {
    text += decoder.decode(bytes, { stream: true });
    const lines = text.split("\n").slice(0, -1);
    if (isKilled || lines.length < count && !text.includes("run ")) continue;
    child.kill("SIGKILL");
    isKilled = true;
  }
  await child.status;
  return text.split("\n").slice(0, -1);
}

async function killOnce(path: string, random: Random): Promise<"named" | "between"> {
  const mode = random.pick(["serial", "concurrent"]);
  const hangs = random.chance(0.5);
  const hangAt = hangs ? `e${random.below(40)}` : "none";
  const args = [path, mode, String(random.below(2 ** 32)), hangAt];
  const printed = await killAfter(start("./_capturing_process.ts", args), 1 + random.below(200));
  const { bundle, undecided, interrupted, damage } = await recoverCapture(path);
  assert(damage === null || damage.kind === "torn", damage?.message);
  await assertReplays(bundle, { createSupervisor, expected: EXPECTED });
  const decided = new Set(bundle.decisions.map(({ event_id }) => event_id));
  // A session is written as v3 as long as it has nothing that v3 cannot say.
  const withdrawn = new Set(
    ("inputs" in bundle ? bundle.decisions : [])
      .flatMap(({ reason, event_id: id }) => reason === "withdrawn" ? [id] : []),
  );
  for (const line of printed) {
    const [what, id = ""] = line.split(" ");
    if (what === "done") assert(decided.has(id), `${id} was acknowledged`);
    if (what === "withdrawn") assert(withdrawn.has(id), `the withdrawal of ${id} was acknowledged`);
  }
  assert(undecided.length <= 1);
  if (!printed.includes(`run ${hangAt}`)) return "between";
  const named = mode === "serial" ? undecided : interrupted;
  assert(named.some(({ event_id }) => event_id === hangAt), `${hangAt} is not named`);
  return "named";
}

Deno.test("a capturing process is killed: its journal replays, and names what was undecided", async () => {
  const outcomes = { named: 0, between: 0 };
  for (let index = 0; index < longCount(12, 200); index++) {
    await withTempDir(async (directory) => {
      const random = new Random(mixSeeds(seed(), index));
      try {
        outcomes[await killOnce(`${directory}/capture.jsonl`, random)]++;
      } catch (cause) {
        throw new Error(`Round ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
      }
    });
  }
  assert(outcomes.named > 0 || outcomes.between > 0);
});

Deno.test("eight processes write one path: it is always one whole bundle (CWR-5)", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/run.json`;
    const names = [..."abcdefgh"];
    const count = longCount(10, 100);
    const children = names.map((name) => start("./_writing_process.ts", [path, name, `${count}`]));
    const running = Promise.all(children.map((child) => child.output()));
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        await checkWhole(path, names);
        await new Promise((resolve) => setTimeout(resolve));
      }
    })();
    const ends = await running;
    isOver = true;
    await watching;
    assertEquals(ends.map(({ code }) => code), names.map(() => 0));
    assert(await checkWhole(path, names));
    const left = (await Array.fromAsync(Deno.readDir(directory))).map(({ name }) => name);
    assertEquals(left, ["run.json"]);
  });
});

/** Whether there is a bundle; throws unless it is whole and of one writer. */
async function checkWhole(path: string, names: readonly string[]): Promise<boolean> {
  try {
    const { graph_id } = await readCaptureBundle(path);
    assert(names.some((name) => graph_id === name.repeat(200)), graph_id);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The disk is of the process alone and is gone with it. */
const ON_SMALL_DISK = [
  ...["unshare", "--mount", "--map-root-user", "sh", "-c"],
  'mount -t tmpfs -o size=256k,mode=700 taffrail "$1" && shift && exec "$@"',
  "sh",
];

async function runOnSmallDisk(directory: string, command: string[]): Promise<Deno.CommandOutput> {
  const [program = "", ...args] = [...ON_SMALL_DISK, directory, ...command];
  return await new Deno.Command(program, { args, stderr: "inherit" }).output();
}

async function hasSmallDisks(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  return await withTempDir(async (directory) => {
    return (await runOnSmallDisk(directory, ["true"]).catch(() => undefined))?.success ?? false;
  });
}

Deno.test({
  name:
    "the disk is full: the session stops, keeps what it promised, and goes on when there is room",
  ignore: !await hasSmallDisks(),
  fn: () =>
    withTempDir(async (directory) => {
      const script = new URL("./_filling_process.ts", import.meta.url).href;
      const command = [Deno.execPath(), "run", "--quiet", "--no-check", "-A", script, directory];
      const { stdout, success } = await runOnSmallDisk(directory, command);
      assert(success);
      const { kind, promised, found, damage } = JSON.parse(new TextDecoder().decode(stdout));
      assertEquals([kind, damage], ["io", null]);
      assert(promised > 20 && found >= promised, `${promised} ${found}`);
    }),
});
