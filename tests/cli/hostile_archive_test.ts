/** `taffrail import` of what nobody exported: whatever is wrong is told by its name, and nothing of it stays. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { isThere, namesIn } from "../_util/files.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { type Entry, filesOf, gzip, pack, tar, withManifest } from "./_archives.ts";
import { ask, startTaffrail } from "./_command.ts";

const RUN = "demo-1";

const START = {
  ...{ type: "pipe.started", id: "01m8pqfdqzgms8942pp8fg8max", ts: "2026-11-30T17:19:10.054Z" },
  ...{ run_id: RUN, pipe: "demo", inputs: [], distro_version: "0.1.0", nodes: ["a"] },
};

const OUT = { node_id: "a", attempt: 1, stream: "out" };

const RIGHT = [
  { name: `${RUN}/events.jsonl`, text: `${JSON.stringify(START)}\n` },
  { name: `${RUN}/run.json`, text: '{"format":1,"name":"demo"}' },
  { name: `${RUN}/nodes/a.1.out`, text: "printed\n", named: OUT },
];

/** What is made of that. */
const FILES = Object.fromEntries(RIGHT.map(({ name, text }) => [name.slice(RUN.length + 1), text]));

/** What becomes of an archive in a new folder. */
async function importOf(cwd: string, bytes: Uint8Array, ...more: string[]) {
  await Deno.writeFile(`${cwd}/x.tar.gz`, bytes);
  return await ask(["import", "x.tar.gz", "--root", "b", ...more], cwd);
}

/** Makes sure that an archive is refused, and that nothing of it stays. */
async function checkRefused(cwd: string, bytes: Uint8Array, problem: string | RegExp) {
  const { code, stdout, stderr } = await importOf(cwd, bytes);
  assertEquals([code, stdout], [1, ""], stderr);
  assert(stderr.startsWith("Cannot import x.tar.gz: "), stderr);
  if (typeof problem === "string") assertStringIncludes(stderr, problem);
  else assertMatch(stderr, problem);
  const runs = `${cwd}/b/runs`;
  assertEquals(isThere(runs) ? namesIn(runs) : [], []);
  assertEquals(namesIn(cwd).filter((name) => !["b", "x.tar.gz"].includes(name)), []);
}

Deno.test("what others have put together by the rules is imported", () =>
  withTempDir(async (cwd) => {
    const { code, stderr } = await importOf(cwd, await pack(await withManifest(RUN, RIGHT)));
    assertEquals([code, stderr], [0, ""]);
    assertEquals(await filesOf(cwd, "b", RUN), FILES);
  }));

/** Entries in place of those that a manifest names, or beside them. */
const ENTRIES: Readonly<
  Record<string, [change: (entries: Entry[]) => Entry[], problem: string | RegExp]>
> = {
  "a file is missing": [
    (all) => all.slice(0, -1),
    "it ends without nodes/a.1.out, which its manifest names",
  ],
  "a file in the middle is missing": [
    (all) => all.toSpliced(2, 1),
    "it has demo-1/nodes/a.1.out where its manifest has run.json",
  ],
  "a file is there twice": [
    (all) => [...all, all.at(-1)!],
    "it has demo-1/nodes/a.1.out, which its manifest does not name",
  ],
  "a file was added": [
    (all) => [...all, { name: `${RUN}/live.lock`, text: "" }],
    "it has demo-1/live.lock, which its manifest does not name",
  ],
  "files are in another order": [
    ([manifest, first, ...others]) => [manifest!, ...others, first!],
    "it has demo-1/run.json where its manifest has events.jsonl",
  ],
  "a file is longer": [
    (all) => all.with(-1, { ...all.at(-1)!, text: "printed too much\n" }),
    "nodes/a.1.out has 17 bytes in it, and its manifest says 8",
  ],
  "a file is another": [
    (all) => all.with(-1, { ...all.at(-1)!, text: "priNted\n" }),
    /nodes\/a\.1\.out was changed: its SHA-256 is [0-9a-f]{64}, and the manifest has [0-9a-f]{64}/,
  ],
  "a document is another": [
    (all) => all.with(2, { ...all[2]!, text: '{"format":1,"name":"demx"}' }),
    "run.json was changed",
  ],
  "a file is a link": [
    (all) => all.with(-1, { ...all.at(-1)!, type: "symlink", linkname: "/etc/passwd" }),
    "nodes/a.1.out is no file in it, but a symlink",
  ],
  "a file is another name of one": [
    (all) => all.with(-1, { ...all.at(-1)!, type: "link", linkname: "/etc/passwd" }),
    "nodes/a.1.out is no file in it, but a link",
  ],
  "a file is a device": [
    (all) => all.with(-1, { ...all.at(-1)!, type: "block-device" }),
    "nodes/a.1.out is no file in it, but a block-device",
  ],
  "a file is a pipe": [
    (all) => all.with(-1, { ...all.at(-1)!, type: "fifo" }),
    "nodes/a.1.out is no file in it, but a fifo",
  ],
  "there is a directory": [
    ([manifest, ...others]) => {
      return [manifest!, { name: `${RUN}/nodes`, text: "", type: "directory" }, ...others];
    },
    /it has demo-1\/nodes\/? where its manifest has events\.jsonl/,
  ],
  "a file is elsewhere": [
    (all) => all.with(-1, { ...all.at(-1)!, name: `../${RUN}/nodes/a.1.out` }),
    "it has ../demo-1/nodes/a.1.out where its manifest has nodes/a.1.out",
  ],
  "a file has an absolute path": [
    (all) => all.with(-1, { ...all.at(-1)!, name: "/tmp/a.1.out" }),
    "it has /tmp/a.1.out where",
  ],
  "a file steers the terminal": [
    (all) => [...all, { name: `${RUN}/\x1b]0;owned\x07`, text: "" }],
    "it has demo-1/\\u001b]0;owned\\u0007, which its manifest does not name",
  ],
  "a file has a long name": [
    (all) => [...all, { name: `${RUN}/${"x".repeat(5000)}`, text: "" }],
    "which its manifest does not name",
  ],
  "the manifest comes later": [
    ([manifest, ...others]) => [...others, manifest!],
    "it is no archive of a run: it begins with demo-1/events.jsonl, and not with a manifest.json",
  ],
  "there is no manifest": [([, ...others]) => others, "it is no archive of a run: it begins with"],
  "the manifest lies in no folder": [
    ([manifest, ...others]) => [{ ...manifest!, name: "manifest.json" }, ...others],
    "it is no archive of a run: it begins with manifest.json",
  ],
  "the manifest lies in another folder": [
    ([manifest, ...others]) => [{ ...manifest!, name: "other/manifest.json" }, ...others],
    "its manifest.json is none: it is of the run demo-1, and stands in the folder other",
  ],
  "the manifest is a link": [
    ([manifest, ...others]) => [{ ...manifest!, type: "symlink", linkname: "/x" }, ...others],
    "it is no archive of a run",
  ],
  "there is nothing": [() => [], "it is no archive of a run: it begins with nothing"],
};

for (const [what, [change, problem]] of Object.entries(ENTRIES)) {
  Deno.test(`an archive in which ${what} is refused, and nothing of it stays`, () =>
    withTempDir(async (cwd) => {
      const entries = change(await withManifest(RUN, RIGHT));
      await checkRefused(cwd, await pack(entries), problem);
    }));
}

function named(entry: Record<string, unknown>) {
  const text = "x";
  return {
    entries: [{ path: "events.jsonl", bytes: text.length, sha256: "0".repeat(64), ...entry }],
  };
}

/** Manifests that say what none may. */
const MANIFESTS: Readonly<Record<string, [changes: Record<string, unknown>, problem: string]>> = {
  "has a newer format": [{ format: 2 }, "its format is 2, and 1 is known; use a newer version"],
  "names no format": [{ format: "1" }, "it names no format"],
  "has no run": [{ run_id: 5 }, "its run_id is no text"],
  "has a run elsewhere": [{ run_id: ".." }, "its run_id is no id of a run"],
  "has a run below another": [{ run_id: "a/b" }, "it cannot be the name of a folder"],
  "has a run without a name": [{ run_id: "" }, "its run_id is no id of a run: it is empty"],
  "does not say whether it was redacted": [{ redacted: "no" }, "its redacted is neither"],
  "has no version": [{ taffrail_version: null }, "its taffrail_version is no text"],
  "has no list": [{ entries: {} }, "its entries are no list"],
  "has what is no entry": [{ entries: [null] }, "its entry 1 is no object"],
  "has an entry without a path": [named({ path: 1 }), "the path of its entry 1 is no text"],
  "names what is no part of a run": [
    named({ path: "../../.bashrc" }),
    "it names ../../.bashrc, which is no part of a run",
  ],
  "names a lock": [named({ path: "live.lock" }), "it names live.lock, which is no part of a run"],
  "names an output without its node": [
    named({ path: "nodes/a.1.out" }),
    "it names nodes/a.1.out, which is no part of a run",
  ],
  "names an output of another node": [
    named({ ...OUT, path: "nodes/b.1.out" }),
    "it names nodes/b.1.out, which is no part of a run",
  ],
  "names an output elsewhere": [
    named({ ...OUT, node_id: "../../x", path: "nodes/../../x.1.out" }),
    "which is no part of a run",
  ],
  "names an output of no node": [
    named({ ...OUT, node_id: "a\0b", path: "nodes/a%00b.1.out" }),
    "the node_id of nodes/a%00b.1.out is none",
  ],
  "names an output of no attempt": [
    named({ ...OUT, attempt: -1, path: "nodes/a.-1.out" }),
    "the attempt of nodes/a.-1.out is none",
  ],
  "names an output of another kind": [
    named({ ...OUT, stream: "exe", path: "nodes/a.1.exe" }),
    "the stream of nodes/a.1.exe is none",
  ],
  "has no digest": [named({ sha256: "0".repeat(63) }), "events.jsonl has no digest"],
  "has no size": [named({ bytes: -1 }), "events.jsonl has no number of bytes"],
  "has a run.json that is too long": [
    named({ path: "run.json", bytes: 2 * 1024 ** 2 }),
    "run.json has more than 1.0MiB",
  ],
  "has a document that is too long": [
    named({ path: "capture.json", bytes: 1024 ** 3 }),
    "capture.json has more than 500MiB",
  ],
  "names a file twice": [
    { entries: [...named({}).entries, ...named({}).entries] },
    "it names events.jsonl twice",
  ],
  "says that it unpacks to a lot": [
    named({ bytes: 10 * 1024 ** 4 }),
    "it unpacks to 10240GiB, and 4.0GiB is taken; --max-size takes more",
  ],
};

for (const [what, [changes, problem]] of Object.entries(MANIFESTS)) {
  Deno.test(`an archive whose manifest ${what} is refused, and makes nothing`, () =>
    withTempDir(async (cwd) => {
      const entries = await withManifest(RUN, RIGHT, changes);
      await checkRefused(cwd, await pack(entries), problem);
      // Not even the root.
      assertEquals(isThere(`${cwd}/b`), false);
    }));
}

Deno.test("a manifest that is no JSON, and one that is too long, are refused", () =>
  withTempDir(async (cwd) => {
    const name = `${RUN}/manifest.json`;
    for (const text of ["", "{", "[]", '"x"', Uint8Array.of(255)]) {
      await checkRefused(cwd, await pack([{ name, text }]), "its manifest.json is none: ");
    }
    const objects = `[${"{},".repeat(1_000_000)}{}]`;
    for (const text of [objects, objects.replaceAll("{}", "[]"), "[".repeat(100_000)]) {
      await checkRefused(cwd, await pack([{ name, text }]), "it has more in it than entries");
    }
    const long = new Uint8Array(65 * 1024 ** 2);
    const problem = "its manifest.json is none: it has 65MiB";
    await checkRefused(cwd, await pack([{ name, text: long }]), problem);
  }));

Deno.test("what is no archive at all is refused by what it is", () =>
  withTempDir(async (cwd) => {
    const whole = await tar(await withManifest(RUN, RIGHT));
    await checkRefused(cwd, whole, "it is not compressed by gzip");
    await checkRefused(cwd, new TextEncoder().encode("PK\x03\x04 a zip"), "not compressed by gzip");
    await checkRefused(
      cwd,
      new Uint8Array(),
      "it is cut off or damaged before manifest.json is whole",
    );
    await checkRefused(cwd, await gzip(new Uint8Array(100)), "cut off or damaged");
    await checkRefused(cwd, await gzip(crypto.getRandomValues(new Uint8Array(4096))), "damaged");
    for (
      const [path, problem] of [
        ["missing.tar.gz", "Cannot read missing.tar.gz: it does not exist\n"],
        [".", "Cannot use .: it is a directory, not a regular file\n"],
      ] as const
    ) {
      const { code, stderr } = await ask(["import", path, "--root", "b"], cwd);
      assertEquals([code, stderr], [1, problem]);
    }
  }));

Deno.test("what stands behind an archive is refused", () =>
  withTempDir(async (cwd) => {
    const entries = await withManifest(RUN, RIGHT);
    const whole = await tar(entries);
    const packed = await gzip(whole);
    const joined = (...parts: Uint8Array[]) => {
      return new Uint8Array(parts.flatMap((part) => [...part]));
    };
    await checkRefused(cwd, joined(packed, packed), "it is cut off or damaged");
    await checkRefused(
      cwd,
      joined(packed, new TextEncoder().encode("more")),
      "it is cut off or damaged",
    );
    await checkRefused(cwd, await gzip(joined(whole, whole)), "it is cut off or damaged");
    // What tars are filled up with is none of it.
    const { code } = await importOf(cwd, await gzip(joined(whole, new Uint8Array(10_240))));
    assertEquals(code, 0);
  }));

Deno.test("an archive that is cut off anywhere leaves no run", () =>
  withTempDir(async (cwd) => {
    const text = Array.from({ length: 300 }, () => crypto.randomUUID()).join("\n");
    const more = { name: `${RUN}/inbox.jsonl`, text };
    const bytes = await pack(await withManifest(RUN, [...RIGHT, more]));
    const step = Math.ceil(bytes.length / longCount(60, 2000));
    for (let length = 0; length < bytes.length; length += step) {
      const cut = bytes.subarray(0, length);
      await checkRefused(cwd, cut, /it is cut off or damaged before .+ is whole; fetch it/);
    }
    await checkRefused(cwd, bytes.subarray(0, -1), "before its end is whole");
  }));

Deno.test("an archive with a bit that is another one leaves no run, or the very same", () =>
  withTempDir(async (cwd) => {
    const bytes = await pack(await withManifest(RUN, RIGHT));
    const random = new Random(mixSeeds(seed(), 1));
    let refused = 0;
    const rounds = longCount(80, 3000);
    for (let round = 0; round < rounds; round++) {
      const changed = bytes.slice();
      const at = random.below(bytes.length);
      const bit = random.below(8);
      changed[at]! ^= 1 << bit;
      const { code, stderr } = await importOf(cwd, changed);
      if (code !== 0) {
        refused++;
        assertEquals(code, 1, stderr);
        const runs = `${cwd}/b/runs`;
        assertEquals(isThere(runs) ? namesIn(runs) : [], [], stderr);
        continue;
      }
      // There are bits that say nothing, and two ways to say the same.
      assertEquals(await filesOf(cwd, "b", RUN), FILES, `bit ${bit} of byte ${at}`);
      await Deno.remove(`${cwd}/b`, { recursive: true });
    }
    assert(refused > rounds / 2);
  }));

Deno.test("a line that no reader takes, and a run of a newer version, are refused", () =>
  withTempDir(async (cwd) => {
    const name = `${RUN}/events.jsonl`;
    const long = [{ name, text: `{}\n${"x".repeat(16 * 1024 ** 2 + 1)}\n` }];
    const problem = "events.jsonl: it has a line of more than 16777216 bytes";
    await checkRefused(cwd, await pack(await withManifest(RUN, long)), problem);
    const newer = [{ name: `${RUN}/run.json`, text: '{"format":2}' }];
    await checkRefused(
      cwd,
      await pack(await withManifest(RUN, newer)),
      "its run has format 2, and 1 is known; use a newer version of taffrail",
    );
    const ofOther = [{ name: "a b/run.json", text: '{"format":1}' }];
    const bytes = await pack(await withManifest("a b", ofOther));
    const { code, stderr } = await importOf(cwd, bytes);
    assertEquals(code, 1);
    assertStringIncludes(stderr, 'Cannot use run id "a b": it may only have');
    assertEquals((await importOf(cwd, bytes, "--as", "a-b")).code, 0);
  }));

/** Zeros without an end, behind a beginning. */
function zeros(begin: Uint8Array, count: number): ReadableStream<Uint8Array> {
  const block = new Uint8Array(1024 ** 2);
  let left = count;
  return new ReadableStream({
    start: (controller) => controller.enqueue(begin),
    pull: (controller) => {
      if (left-- > 0) controller.enqueue(block);
      else controller.close();
    },
  });
}

/** Heads that say nothing of any file, without an end. */
async function endlessHeads(mebibytes: number): Promise<Uint8Array> {
  const head = await tar([{ name: `${RUN}/${"x".repeat(300)}`, text: "" }]);
  // What stands before the file: the head of a long name, and that.
  const name = head.subarray(0, 1024);
  const many = new Uint8Array(1024 ** 2);
  for (let at = 0; at < many.length; at += name.length) many.set(name, at);
  return await gzip(ReadableStream.from(Array.from({ length: mebibytes }, () => many)));
}

/** The most memory that a process has had, as long as it runs. */
async function peakOf(pid: number, ended: Promise<unknown>): Promise<number> {
  let peak = 0;
  let isOver = false;
  ended.finally(() => isOver = true);
  while (!isOver) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0) * 1024);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return peak;
}

/** Far more than the command takes, and far less than what the bombs unpack to. */
const MOST_MEMORY = 400 * 1024 ** 2;
const BOMB_MEBIBYTES = 600;

Deno.test({
  name: "what unpacks to far more than it says is refused, and costs no memory",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const entries = await withManifest(RUN, RIGHT);
      const whole = await tar(entries);
      // Of a file that is as long as its head says, and longer than the manifest does.
      const size = BOMB_MEBIBYTES * 1024 ** 2;
      const long = (await tar([entries[0]!, { name: `${RUN}/events.jsonl`, text: "" }])).slice(
        0,
        -1024,
      );
      const head = long.subarray(long.length - 512);
      head.set(new TextEncoder().encode(size.toString(8).padStart(11, "0")), 124);
      head.fill(32, 148, 156);
      const sum = head.reduce((sum, byte) => sum + byte, 0);
      head.set(new TextEncoder().encode(sum.toString(8).padStart(6, "0")), 148);
      const bombs: [Uint8Array, string | RegExp][] = [
        [await gzip(zeros(whole, BOMB_MEBIBYTES)), "it unpacks to more than its manifest says"],
        [await gzip(zeros(long, BOMB_MEBIBYTES)), /events\.jsonl has \d+ bytes in it, and/],
        [await gzip(zeros(new Uint8Array(), BOMB_MEBIBYTES)), /no archive|unpacks to more/],
        [await endlessHeads(300), "it unpacks to more than its manifest says"],
      ];
      for (const [bytes, problem] of bombs) {
        assert(bytes.length < 8 * 1024 ** 2, `${bytes.length}`);
        await Deno.writeFile(`${cwd}/x.tar.gz`, bytes);
        await using running = startTaffrail(["import", "x.tar.gz", "--root", "b"], { cwd });
        await running.closeInput();
        const ending = running.end();
        const peak = await peakOf(running.pid, ending);
        const { code, stderr } = await ending;
        assertEquals(code, 1, stderr);
        if (typeof problem === "string") assertStringIncludes(stderr, problem);
        else assertMatch(stderr, problem);
        assert(peak > 0 && peak < MOST_MEMORY, `${peak}`);
        const runs = `${cwd}/b/runs`;
        assertEquals(isThere(runs) ? namesIn(runs) : [], []);
      }
    }),
});

Deno.test({
  name: "an output of any length is exported and imported in the same memory",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const folder = `${cwd}/.taffrail/runs/${RUN}`;
      await Deno.mkdir(`${folder}/nodes`, { recursive: true });
      const ended = { ...START, type: "node.completed", node_id: "a", attempt: 1 };
      const lines = [START, ended].map((event) => `${JSON.stringify(event)}\n`);
      await Deno.writeTextFile(`${folder}/events.jsonl`, lines.join(""));
      const size = longCount(320, 3000) * 1024 ** 2;
      using file = await Deno.create(`${folder}/nodes/a.1.out`);
      // A hole, which takes no room.
      await file.truncate(size);
      for (
        const args of [["export", RUN, "-o", "x"], ["import", "x", "--root", "b"]]
      ) {
        await using running = startTaffrail(args, { cwd });
        await running.closeInput();
        const ending = running.end();
        const peak = await peakOf(running.pid, ending);
        const { code, stderr } = await ending;
        assertEquals([code, stderr], [0, ""]);
        assert(peak > 0 && peak < 300 * 1024 ** 2, `${args[0]}: ${peak}`);
      }
      assertEquals((await Deno.stat(`${cwd}/b/runs/${RUN}/nodes/a.1.out`)).size, size);
    }),
});
