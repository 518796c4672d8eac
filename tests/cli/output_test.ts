import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openFileRoot } from "../../run/file_root/file_root.ts";
import { ByteRing } from "../../run/outputs.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eventsOf, onlyRun, outlineOf, outputOf, writeFlow } from "./_runs.ts";

/** What a file must hold of all that was printed. */
function bounded(all: Uint8Array, maxBytes: number): Uint8Array {
  const headLength = Math.ceil(maxBytes / 2);
  const left = all.length - maxBytes;
  if (left <= 0) return all;
  const head = all.subarray(0, headLength);
  const line = `${head.at(-1) === 10 ? "" : "\n"}[taffrail: ${left} bytes left out]\n`;
  const tail = all.subarray(headLength + left);
  return Uint8Array.of(...head, ...new TextEncoder().encode(line), ...tail);
}

Deno.test("an output keeps the first half and the last half, whatever comes in whatever parts", async () => {
  await withTempDir(async (path) => {
    const random = new Random(seed());
    await using root = openFileRoot(path);
    await using held = await root.create({ about: { name: "output" } });
    for (let attempt = 1; attempt <= longCount(100, 5000); attempt++) {
      const of = { nodeId: "a", attempt, stream: "out" } as const;
      const maxBytes = 1 + random.below(40);
      const all = Uint8Array.from({ length: random.below(120) }, () => 9 + random.below(3));
      const sink = held.openOutput(of, { maxBytes });
      for (let at = 0; at < all.length;) {
        const end = at + random.below(30);
        sink.write(all.subarray(at, end), 0);
        at = end;
      }
      const { sha256, bytes, cut, leftOut } = await sink.close();
      const expected = bounded(all, maxBytes);
      const kept = await held.view.output(of);
      const context = `${maxBytes} of ${all}`;
      assertEquals(kept, all.length === 0 ? undefined : expected, context);
      const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(expected));
      const told = [new Uint8Array(digest).toHex(), expected.length, all.length > maxBytes];
      assertEquals([sha256, bytes, cut], told, context);
      assertEquals(leftOut, Math.max(0, all.length - maxBytes), context);
    }
  });
});

Deno.test("ByteRing keeps the last bytes and counts the others", () => {
  const ring = new ByteRing(4);
  const kept = () => ring.parts.flatMap((part) => [...part]);
  ring.push(Uint8Array.of(1, 2, 3));
  assertEquals({ kept: kept(), dropped: ring.dropped }, { kept: [1, 2, 3], dropped: 0 });
  ring.push(Uint8Array.of(4, 5));
  assertEquals({ kept: kept(), dropped: ring.dropped }, { kept: [2, 3, 4, 5], dropped: 1 });
  ring.push(Uint8Array.of(6, 7, 8, 9, 10, 11));
  assertEquals({ kept: kept(), dropped: ring.dropped }, { kept: [8, 9, 10, 11], dropped: 7 });
});

Deno.test("taffrail run keeps a flood within --max-output, its beginning and its end", async () => {
  await withTempDir(async (cwd) => {
    const lines = 1_000_000;
    const flow = await writeFlow(cwd, { flood: `seq ${lines}; seq ${lines} >&2; exit 1` });
    const args = ["run", "--max-output", "64KiB", flow];
    const { code, stdout } = await taffrail(args, { cwd });
    assertEquals(code, 1);
    assertStringIncludes(stdout, `  | ${lines}\n`);
    const all = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join("");
    const leftOut = all.length - 65536;
    const root = `${cwd}/.taffrail`;
    const runId = await onlyRun(root);
    for (const file of ["flood.1.out", "flood.1.err"]) {
      const text = await outputOf({ root, runId }, file);
      const [head, tail] = text.split(`[taffrail: ${leftOut} bytes left out]\n`);
      assertEquals(head?.trimEnd(), all.slice(0, 32768).trimEnd());
      assertEquals(tail, all.slice(-32768));
    }
    const record = eventsOf(root, runId)[2] as unknown as Record<string, unknown>;
    assertEquals([record.output_cut, record.error_cut], [leftOut, leftOut]);
    const shown = await taffrail(["show", "flow"], { cwd });
    const missing = `${leftOut} bytes of stdout and ${leftOut} bytes of stderr`;
    for (const text of [stdout, shown.stdout]) assertStringIncludes(text, missing);
    const [node] = JSON.parse((await taffrail(["show", "--json", "flow"], { cwd })).stdout).nodes;
    assertEquals(node.cut, { out: leftOut, err: leftOut });
    assertEquals(node.attempts[0].cut, node.cut);
    const message = eventsOf(root, runId)[2]?.message?.split("\n");
    assertEquals({ lines: message?.length, last: message?.at(-1) }, {
      lines: 20,
      last: `${lines}`,
    });
  });
});

Deno.test("taffrail exec says at its end what is missing of what the command printed", async () => {
  await withTempDir(async (cwd) => {
    const args = ["exec", "--max-output", "1KiB", "--", "sh", "-c", "seq 1000; echo fine >&2"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    const missing = `${stdout.length - 1024} bytes of stdout`;
    assertEquals([code, stdout.endsWith("\n1000\n")], [0, true]);
    const told = `sh: the middle of what it printed was not kept: ${missing}`;
    assertEquals(stderr.trimEnd().split("\n").at(-2), told);
    assertMatch(stderr.trimEnd().split("\n").at(-1)!, /^✓ sh .*log: /);
  });
});

Deno.test("taffrail shows what was printed without what would steer the terminal", async () => {
  await withTempDir(async (cwd) => {
    const print =
      "printf '\\033[2J\\033]0;title\\007\\033[31mred\\033[0m\\r\\n10%%\\r99%%\\n\\351\\n'";
    const flow = await writeFlow(cwd, { a: `${print} >&2; exit 1` });
    const { stdout } = await taffrail(["run", flow], { cwd });
    assertStringIncludes(stdout, "  | red\n  | 99%\n  | \ufffd\n");
    assertEquals(stdout.includes("\x1b"), false);
    const root = `${cwd}/.taffrail`;
    const events = eventsOf(root, await onlyRun(root));
    assertEquals(events[2]?.message, "red\n99%\n\ufffd");
  });
});

/** A small limit on the size of files stands for a full disk, and needs no rights. */
function fullDiskAt(blocks: number): string {
  return `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`;
}

Deno.test({
  name: "taffrail run stops, says so and exits with 1 when what happens cannot be recorded",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (cwd) => {
      // Each attempt writes more to the log and the store than to the capture journal.
      const run = ["sh", "-c", "head -c 1900 /dev/zero | tr '\\0' x >&2; exit 1"];
      const flow = { name: "flow", nodes: { a: { run } }, constraints: { max_retries: 1000 } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
      const shell = fullDiskAt(64);
      const { code, stdout, stderr } = await taffrail(["run", "flow.json"], { cwd, shell });
      const root = `${cwd}/.taffrail`;
      const runId = await onlyRun(root);
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot record run ${runId}: `);
      assertStringIncludes(
        stderr,
        "; the run was stopped: free some space, or choose another --root",
      );
      // What was acknowledged is there, and nothing is torn. The log may be an event ahead.
      const types = eventsOf(root, runId).map(({ type }) => type);
      const started = types.filter((type) => type === "node.started").length;
      const shown = stdout.split("\n").filter((line) => line.startsWith("▸")).length;
      assertEquals([shown, shown + 1].includes(started), true, `${shown} of ${started} are shown`);
    }),
});

Deno.test({
  name: "where nothing can be written no run begins or goes on, and it is said what helps",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (cwd) => {
      await taffrail(["exec", "--", "false"], { cwd });
      const runId = await onlyRun(`${cwd}/.taffrail`);
      const verbs = { "a new run": ["exec", "--", "true"], [`run ${runId}`]: ["resume", "false"] };
      await Deno.remove(`${cwd}/.taffrail/runs/${runId}/live.lock`);
      for (const [what, args] of Object.entries(verbs)) {
        const { code, stderr } = await taffrail(args, { cwd, shell: fullDiskAt(0) });
        // Going on is refused as for any run; exec speaks for its command from the start.
        assertEquals(code, args[0] === "resume" ? 1 : 125);
        assertMatch(stderr, new RegExp(`^Cannot record ${what}: .*: free some space, or choose`));
        assertEquals(stderr.includes("was stopped"), false, stderr);
      }
    }),
});

Deno.test({
  name: "taffrail run stops, records why and exits with 1 when the capture cannot be written",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (cwd) => {
      // The capture journal has most: the command, and each decision with its numbers.
      const command = `true ${"x".repeat(600)}`;
      const nodes = Array.from({ length: 12 }, (_, index) => [`node-${index}`, command]);
      const flow = await writeFlow(cwd, Object.fromEntries(nodes));
      const { code, stderr } = await taffrail(["run", flow], { cwd, shell: fullDiskAt(32) });
      const root = `${cwd}/.taffrail`;
      const runId = await onlyRun(root);
      assertEquals(code, 1);
      const journal = `${root}/runs/${runId}/capture.jsonl`;
      const says = `Cannot append to ${journal}: Only `;
      assertStringIncludes(stderr, `Cannot record run ${runId}: ${says}`);
      assertStringIncludes(stderr, "is the disk full?; the run was stopped: free some space");
      const last = eventsOf(root, runId).at(-1);
      assertEquals(last?.type, "pipe.aborted");
      assertStringIncludes(last?.reason ?? "", says);
      const { code: replayed } = await taffrail(["replay", runId], { cwd });
      assertEquals(replayed, 0);
      // With room again it goes on where it was: nothing that was told runs twice.
      const resumed = await taffrail(["resume", runId], { cwd });
      assertEquals(resumed.code, 0, resumed.stderr);
      const outline = outlineOf(eventsOf(root, runId));
      for (const [id] of nodes) {
        assertEquals(outline.filter((line) => line === `node.completed ${id}`).length, 1, id);
      }
    }),
});

Deno.test({
  name: "taffrail run ends a command whose output cannot be recorded, and exits with 1",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withTempDir(async (cwd) => {
      const flow = await writeFlow(cwd, {
        flood: "head -c 1000000 /dev/zero; exec sleep 1000",
        next: "true",
      });
      const { code, stderr } = await taffrail(["run", flow], { cwd, shell: fullDiskAt(64) });
      assertEquals(code, 1);
      assertStringIncludes(stderr, "Cannot record what node flood prints: ");
      const root = `${cwd}/.taffrail`;
      const [failed, aborted] = eventsOf(root, await onlyRun(root)).slice(-2);
      assertEquals(failed?.error, { kind: "crash", cancelled: true });
      assertStringIncludes(failed?.message ?? "", "Cannot record what node flood prints: ");
      assertStringIncludes(aborted?.reason ?? "", "Cannot record what node flood prints: ");
    }),
});

Deno.test({
  name: "taffrail exits with 1 when what it says cannot be written, and records all the same",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const flow = await writeFlow(cwd, { a: "true" });
      const shell = '"$@" >/dev/full';
      const { code, stderr } = await taffrail(["run", flow], { cwd, shell });
      assertEquals(code, 1);
      assertStringIncludes(stderr, "Cannot write the output: No space left");
      const root = `${cwd}/.taffrail`;
      assertEquals(eventsOf(root, await onlyRun(root)).at(-1)?.type, "pipe.completed");
    }),
});
