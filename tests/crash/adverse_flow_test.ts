/**
 * A flow of thirty nodes in a world that does not cooperate: whatever happens, it ends, its record is
 * correct, and what it says tells the reason.
 */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { start, startTaffrail, taffrail } from "../cli/_command.ts";
import { effectsOf, LARGE_FLOW_NODES, nodeName, writeLargeFlow } from "../cli/_large_flow.ts";
import { eventsOf, onlyRun, untilExists } from "../cli/_runs.ts";
import { longCount, withTempDir } from "../_util/temp.ts";

const MEBIBYTE = 1024 * 1024;

function test(name: string, body: (cwd: string) => Promise<void>): void {
  const ignore = Deno.build.os !== "linux";
  Deno.test({ name: `a large flow ${name}`, ignore, fn: () => withTempDir(body) });
}

/** What holds of the records of every run that has ended. */
async function assertSound(cwd: string, runId: string): Promise<void> {
  const verified = await taffrail(["verify", runId], { cwd });
  assertEquals([verified.code, verified.stderr], [0, ""], verified.stdout);
  const replayed = await taffrail(["replay", runId], { cwd });
  assertEquals([replayed.code, replayed.stderr], [0, ""], replayed.stdout);
}

/** Every end in the log is of an attempt that was begun, and was made. */
async function assertTruthful(cwd: string, runId: string): Promise<void> {
  const events = eventsOf(`${cwd}/.taffrail`, runId);
  for (let index = 0; index < LARGE_FLOW_NODES; index++) {
    const id = nodeName(index);
    const of = (type: string) =>
      events.filter((event) => event.type === type && event.node_id === id).length;
    const { begun, ended } = await effectsOf(cwd, id);
    assertEquals(of("node.completed"), ended, id);
    assert(of("node.started") >= begun, id);
    assertEquals(of("node.completed") + of("node.failed"), of("node.started"), id);
  }
}

test("completes where nothing is in its way", async (cwd) => {
  const flow = await writeLargeFlow(cwd);
  const { code, stderr } = await taffrail(["run", flow], { cwd });
  assertEquals([code, stderr], [0, ""]);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  await assertSound(cwd, runId);
  await assertTruthful(cwd, runId);
  for (const index of [4, 11, 19]) {
    assertEquals(await effectsOf(cwd, nodeName(index)), { begun: 2, ended: 1 });
  }
});

test("stops on a full disk, and says so", async (cwd) => {
  const flow = await writeLargeFlow(cwd);
  const shell = "trap '' XFSZ; ulimit -f 24; exec \"$@\"";
  const { code, stderr } = await taffrail(["run", flow], { cwd, shell });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "free some space, or choose another --root");
  const runId = await onlyRun(`${cwd}/.taffrail`);
  // The store follows the log, which may have taken the last event when there was no space for the store.
  const verified = await taffrail(["verify", "--json", runId], { cwd });
  const { problems } = JSON.parse(verified.stdout);
  assertEquals(problems.filter(({ kind }: { kind: string }) => kind !== "behind-log"), []);
  const repaired = await taffrail(["repair", runId], { cwd });
  assertEquals(repaired.code, 0, repaired.stdout);
  await assertSound(cwd, runId);
});

test("does not begin below a root that cannot be written, and says so", async (cwd) => {
  const flow = await writeLargeFlow(cwd);
  // Its owner may write wherever the file system lets him: this one lets nobody.
  const { code, stderr } = await taffrail(["run", flow, "--root", "/proc/taffrail"], { cwd });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot create /proc/taffrail");
  assertStringIncludes(stderr, "choose another --root");
  assertEquals(await effectsOf(cwd, nodeName(0)), { begun: 0, ended: 0 });
});

test("that is stopped ends a child that ignores SIGTERM", async (cwd) => {
  const stubborn = "trap '' TERM; touch stubborn; while :; do sleep 1000; done";
  const flow = await writeLargeFlow(cwd, { n05: { run: ["sh", "-c", stubborn] } });
  await using command = startTaffrail(["run", flow, "--grace", "100ms"], { cwd });
  await command.closeInput();
  await untilExists(cwd, "stubborn");
  command.kill("SIGTERM");
  const { code, stdout } = await command.end();
  assertEquals(code, 143);
  assertStringIncludes(stdout, "cancelled by SIGTERM");
  const runId = await onlyRun(`${cwd}/.taffrail`);
  await assertSound(cwd, runId);
  const failed = eventsOf(`${cwd}/.taffrail`, runId)
    .find(({ type, node_id: id }) => type === "node.failed" && id === "n05");
  assertEquals(failed?.error, { kind: "crash", cancelled: true, signal: "SIGKILL" });
});

/** The most memory that a process has had, in bytes. */
function peakMemory(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

test("records of a flood what it may, in memory that does not grow with it", async (cwd) => {
  const flooded = async (mebibytes: number) => {
    const directory = `${cwd}/${mebibytes}`;
    await Deno.mkdir(directory);
    // It waits until its memory was looked at.
    const script = `head -c ${mebibytes * MEBIBYTE} /dev/zero; echo >there; read _ <go`;
    await start("mkfifo", ["there", "go"], { cwd: directory }).end();
    const flow = await writeLargeFlow(directory, { n02: { run: ["sh", "-c", script] } });
    await using command = startTaffrail(["run", flow, "--max-output", "1MiB"], { cwd: directory });
    await command.closeInput();
    await Deno.readTextFile(`${directory}/there`);
    const memory = peakMemory(command.pid);
    await Deno.writeTextFile(`${directory}/go`, "\n");
    assertEquals((await command.end()).code, 0);
    const runId = await onlyRun(`${directory}/.taffrail`);
    const { size } = await Deno.stat(`${directory}/.taffrail/runs/${runId}/nodes/n02.1.out`);
    assert(size <= MEBIBYTE + 100, `${size} bytes are kept`);
    await assertSound(directory, runId);
    return memory;
  };
  const few = await flooded(96);
  const many = await flooded(longCount(384, 1024));
  assert(many < few + 96 * MEBIBYTE, `${few} bytes of memory became ${many}`);
});

/** Sets the clock of a program back by an hour when it has looked at it for a while. */
const CLOCK = `
const RealDate = Date;
let looks = 0;
const now = () => RealDate.now() - (looks++ > 50 ? 3_600_000 : 0);
globalThis.Date = class extends RealDate {
  constructor(...args) {
    super(...args.length === 0 ? [now()] : args);
  }
  static now = now;
};
`;

test("goes on as if nothing were when the clock is set back", async (cwd) => {
  const flow = await writeLargeFlow(cwd);
  await Deno.writeTextFile(`${cwd}/clock.ts`, CLOCK);
  const shell = 'deno=$1; run=$2; shift 2; exec "$deno" "$run" --preload=./clock.ts "$@"';
  const { code, stderr } = await taffrail(["run", flow], { cwd, shell });
  assertEquals([code, stderr], [0, ""]);
  const runId = await onlyRun(`${cwd}/.taffrail`);
  const events = eventsOf(`${cwd}/.taffrail`, runId);
  const times = events.map(({ ts }) => Date.parse(ts));
  assert(times.some((time, index) => index > 0 && time < times[index - 1]! - 1_000_000));
  await assertSound(cwd, runId);
  assertEquals(events.at(-1)?.type, "pipe.completed");
});
