import { assert, assertEquals, assertThrows } from "@std/assert";
import { PAGE_BYTES } from "./crash_image.ts";
import { FaultPort } from "./fault_port.ts";
import { Random } from "./random.ts";
import { longCount, seed as runSeed, withMemoryDir } from "./temp.ts";

const APPEND = { read: true, append: true, create: true, mode: 0o600 };
const REWRITE = { write: true, create: true, truncate: true, mode: 0o600 };
const SEEDS = 300;

/** What is below a directory: paths with the text of files, null for directories. */
function treeOf(directory: string, prefix = ""): Record<string, string | null> {
  const entries: [string, string | null][] = [];
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = `${directory}/${name}`;
    entries.push([prefix + name, isDirectory ? null : Deno.readTextFileSync(path)]);
    if (isDirectory) entries.push(...Object.entries(treeOf(path, `${prefix}${name}/`)));
  }
  return Object.fromEntries(entries.sort());
}

function removeTree(path: string): void {
  Deno.removeSync(path, { recursive: true });
}

interface Disk {
  port: FaultPort;
  root: string;
  /** The state that a seed stands for. */
  image(seed: number): Record<string, string | null>;
  /** Every state that any of many seeds stands for, as JSON. */
  images(): Set<string>;
}

/** A port on a directory that holds `files`. */
async function withDisk(
  files: Record<string, string>,
  use: (disk: Disk) => void | Promise<void>,
): Promise<void> {
  await withMemoryDir(async (directory) => {
    const root = `${directory}/root`;
    await Deno.mkdir(root);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${root}/${name}`, text);
    }
    const port = new FaultPort({ root });
    const image = (seed: number): Record<string, string | null> => {
      const target = `${directory}/image`;
      port.crashImage(target, seed);
      const tree = treeOf(target);
      removeTree(target);
      return tree;
    };
    const images = () =>
      new Set(Array.from({ length: SEEDS }, (_, seed) => JSON.stringify(image(seed))));
    try {
      await use({ port, root, image, images });
    } finally {
      port.closeAll();
    }
  });
}

function put(port: FaultPort, path: string, text: string, options: Deno.OpenOptions = APPEND) {
  const file = port.openSync(path, options);
  file.writeSync(new TextEncoder().encode(text));
  return file;
}

function syncDirectory(port: FaultPort, path: string): void {
  const directory = port.openSync(path, { read: true });
  directory.syncSync();
  directory.close();
}

function jsonOf(...trees: Record<string, string | null>[]): Set<string> {
  return new Set(trees.map((tree) => JSON.stringify(tree)));
}

Deno.test("crashImage() keeps what was there before the port", async () => {
  await withDisk({ old: "old\n" }, ({ images }) => {
    assertEquals(images(), jsonOf({ old: "old\n" }));
  });
});

Deno.test("crashImage() may undo or blank an unsynced append, and never a synced one", async () => {
  await withDisk({ log: "old\n" }, ({ port, root, image, images }) => {
    const file = put(port, `${root}/log`, "new\n");
    assertEquals(image(0), { log: "old\n" });
    assertEquals(image(1), { log: "old\nnew\n" });
    assertEquals(image(2), { log: "old\n\0\0\0\0" });
    assertEquals(
      images(),
      jsonOf({ log: "old\n" }, { log: "old\nnew\n" }, { log: "old\n\0\0\0\0" }),
    );
    file.syncDataSync();
    assertEquals(images(), jsonOf({ log: "old\nnew\n" }));
  });
});

Deno.test("crashImage() may have each page old, new or NUL whatever the others are", async () => {
  await withDisk({ log: "" }, ({ port, root, images }) => {
    put(port, `${root}/log`, "a".repeat(PAGE_BYTES) + "b".repeat(PAGE_BYTES) + "c");
    const shapes = new Set(
      [...images()].map((json) => {
        const text = (JSON.parse(json) as { log: string }).log;
        return [0, PAGE_BYTES, 2 * PAGE_BYTES].map((at) => text[at] ?? "-").join("");
      }),
    );
    for (const shape of ["abc", "\0bc", "a\0c", "ab\0", "\0\0c", "---", "ab-", "a--", "\0--"]) {
      assert(shapes.has(shape), `no image is like ${JSON.stringify(shape)}`);
    }
    assert(!shapes.has("-bc"), "a file has no holes in its size");
  });
});

Deno.test("crashImage() may show a state between two writes", async () => {
  await withDisk({ log: "" }, ({ port, root, images }) => {
    const file = put(port, `${root}/log`, "one\n");
    file.writeSync(new TextEncoder().encode("two\n"));
    const states = images();
    for (const log of ["", "one\n", "one\ntwo\n", "one\n\0\0\0\0", "\0\0\0\0"]) {
      assert(states.has(JSON.stringify({ log })), `no image has ${JSON.stringify(log)}`);
    }
    assert(!states.has(JSON.stringify({ log: "\0\0\0\0two\n" })), "one page, one age");
  });
});

Deno.test("crashImage() may undo a truncation, or bring back only its size", async () => {
  await withDisk({ log: "old text\n" }, ({ port, root, images }) => {
    put(port, `${root}/log`, "new", REWRITE);
    const states = images();
    const expected = ["old text\n", "", "new", "\0\0\0", "new\0\0\0\0\0\0", "old"];
    for (const log of expected) {
      assert(states.has(JSON.stringify({ log })), `no image has ${JSON.stringify(log)}`);
    }
  });
});

Deno.test("crashImage() takes only what was written before the sync began as synced", async () => {
  await withDisk({ log: "" }, async ({ port, root, image }) => {
    const file = put(port, `${root}/log`, "one\n");
    const sync = file.syncData();
    file.writeSync(new TextEncoder().encode("two\n"));
    assertEquals(image(0), { log: "" }, "a sync under way promises nothing");
    await sync;
    assertEquals(image(0), { log: "one\n" });
    file.syncDataSync();
    assertEquals(image(0), { log: "one\ntwo\n" });
  });
});

Deno.test("crashImage() loses what a failed sync dropped, even if a later sync succeeds", async () => {
  await withDisk({ log: "old\n" }, ({ port, root, image, images }) => {
    const file = put(port, `${root}/log`, "lost\n");
    port.failAt(1, { only: ["syncDataSync"] });
    assertThrows(() => file.syncDataSync(), Error, "No space left");
    assertEquals(image(1), { log: "old\n\0\0\0\0\0" });
    const again = port.openSync(`${root}/log`, APPEND);
    again.syncDataSync();
    assertEquals(images(), jsonOf({ log: "old\n\0\0\0\0\0" }));
    assertEquals(Deno.readTextFileSync(`${root}/log`), "old\nlost\n", "the page cache has it");
    again.writeSync(new TextEncoder().encode("kept\n"));
    again.syncDataSync();
    assertEquals(images(), jsonOf({ log: "old\n\0\0\0\0\0kept\n" }));
  });
});

Deno.test("crashImage() can have a failed sync leave the pages for the next one", async () => {
  await withDisk({ log: "old\n" }, ({ port, root, images }) => {
    const file = put(port, `${root}/log`, "new\n");
    port.failedSync = "kept";
    port.failAt(1, { only: ["syncDataSync"] });
    assertThrows(() => file.syncDataSync(), Error);
    file.syncDataSync();
    assertEquals(images(), jsonOf({ log: "old\nnew\n" }));
  });
});

Deno.test("crashImage() may undo a creation until the directory is synced", async () => {
  await withDisk({}, ({ port, root, images }) => {
    put(port, `${root}/log`, "text").syncSync();
    assertEquals(images(), jsonOf({}, { log: "text" }));
    syncDirectory(port, root);
    assertEquals(images(), jsonOf({ log: "text" }));
  });
});

Deno.test("crashImage() may undo an unlink, with the content, until the directory is synced", async () => {
  await withDisk({ log: "text" }, ({ port, root, images }) => {
    port.removeSync(`${root}/log`);
    assertEquals(images(), jsonOf({}, { log: "text" }));
    syncDirectory(port, root);
    assertEquals(images(), jsonOf({}));
  });
});

Deno.test("crashImage() undoes a rename as a whole or not at all", async () => {
  await withDisk({ a: "new", b: "old" }, ({ port, root, images }) => {
    port.renameSync(`${root}/a`, `${root}/b`);
    assertEquals(images(), jsonOf({ a: "new", b: "old" }, { b: "new" }));
    syncDirectory(port, root);
    assertEquals(images(), jsonOf({ b: "new" }));
  });
});

Deno.test("crashImage() undoes changes of names independently", async () => {
  await withDisk({ a: "a" }, ({ port, root, images }) => {
    put(port, `${root}/b`, "b").syncSync();
    port.removeSync(`${root}/a`);
    assertEquals(images(), jsonOf({}, { a: "a" }, { b: "b" }, { a: "a", b: "b" }));
  });
});

Deno.test("crashImage() keeps a file's durable content through a rename", async () => {
  await withDisk({}, ({ port, root, images }) => {
    const file = put(port, `${root}/a`, "text");
    file.syncSync();
    syncDirectory(port, root);
    port.renameSync(`${root}/a`, `${root}/b`);
    file.writeSync(new TextEncoder().encode("!"));
    file.syncSync();
    assertEquals(images(), jsonOf({ a: "text!" }, { b: "text!" }));
  });
});

Deno.test("crashImage() loses a directory's content with its name", async () => {
  await withDisk({}, ({ port, root, images }) => {
    port.mkdirSync(`${root}/d/e`, { mode: 0o700, recursive: true });
    put(port, `${root}/d/e/f`, "text").syncSync();
    syncDirectory(port, `${root}/d/e`);
    const whole = { d: null, "d/e": null, "d/e/f": "text" };
    assertEquals(images(), jsonOf({}, { d: null }, whole));
    syncDirectory(port, `${root}/d`);
    assertEquals(images(), jsonOf({}, whole));
    syncDirectory(port, root);
    assertEquals(images(), jsonOf(whole));
  });
});

Deno.test("crashImage() never loses a file that was moved into a lost directory", async () => {
  await withDisk({ f: "text" }, ({ port, root, images }) => {
    port.mkdirSync(`${root}/d`, { mode: 0o700, recursive: false });
    port.renameSync(`${root}/f`, `${root}/d/f`);
    syncDirectory(port, `${root}/d`);
    assertEquals(images(), jsonOf({ f: "text" }, { d: null, "d/f": "text" }));
  });
});

Deno.test("crashImage() never loses a directory that was moved below its former child", async () => {
  await withDisk({}, ({ port, root, images }) => {
    port.mkdirSync(`${root}/a/b`, { mode: 0o700, recursive: true });
    syncDirectory(port, root);
    syncDirectory(port, `${root}/a`);
    port.renameSync(`${root}/a/b`, `${root}/b`);
    port.renameSync(`${root}/a`, `${root}/b/a`);
    const before = { a: null, "a/b": null };
    assertEquals(images(), jsonOf(before, { a: null, b: null }, { b: null, "b/a": null }));
  });
});

Deno.test("crashImage() never overwrites a file whose rename was undone", async () => {
  await withDisk({ log: "old" }, ({ port, root, images }) => {
    port.renameSync(`${root}/log`, `${root}/log.1`);
    put(port, `${root}/log`, "new").syncSync();
    assertEquals(
      images(),
      jsonOf({ log: "old" }, { "log.1": "old" }, { log: "new", "log.1": "old" }),
    );
  });
});

Deno.test("crashImage() takes only names from before a directory sync as synced", async () => {
  await withDisk({}, async ({ port, root, images }) => {
    const directory = port.openSync(root, { read: true });
    put(port, `${root}/a`, "").close();
    const sync = directory.sync();
    put(port, `${root}/b`, "").close();
    await sync;
    assertEquals(images(), jsonOf({ a: "" }, { a: "", b: "" }));
  });
});

Deno.test("crashImage() makes durable what a synced name builds on", async () => {
  await withDisk({}, ({ port, root, images }) => {
    port.mkdirSync(`${root}/from`, { mode: 0o700, recursive: false });
    port.mkdirSync(`${root}/to`, { mode: 0o700, recursive: false });
    syncDirectory(port, root);
    put(port, `${root}/from/f`, "text").syncSync();
    port.renameSync(`${root}/from/f`, `${root}/to/f`);
    syncDirectory(port, `${root}/to`);
    assertEquals(images(), jsonOf({ from: null, to: null, "to/f": "text" }));
  });
});

Deno.test("crashImage() keeps modes, a new one only after a full sync", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withMemoryDir((directory) => {
    const root = `${directory}/root`;
    Deno.mkdirSync(root, { mode: 0o700 });
    const port = new FaultPort({ root });
    const modeOf = (seed: number) => {
      const target = `${directory}/image-${port.count()}-${seed}`;
      port.crashImage(target, seed);
      return (Deno.lstatSync(`${target}/log`).mode ?? 0) & 0o777;
    };
    const file = put(port, `${root}/log`, "text");
    syncDirectory(port, root);
    port.chmodSync(`${root}/log`, 0o640);
    assertEquals([modeOf(0), modeOf(1)], [0o600, 0o640]);
    file.syncDataSync();
    assertEquals([modeOf(0), modeOf(1)], [0o600, 0o640]);
    file.syncSync();
    assertEquals([modeOf(0), modeOf(1)], [0o640, 0o640]);
    port.closeAll();
  });
});

Deno.test("crashImage() sees where an appending and a seeking handle write", async () => {
  await withDisk({ log: "0123456789" }, ({ port, root, image }) => {
    const append = port.openSync(`${root}/log`, APPEND);
    append.seekSync(2, Deno.SeekMode.Start);
    append.writeSync(new TextEncoder().encode("A"));
    const seek = port.openSync(`${root}/log`, { write: true });
    seek.seekSync(3, Deno.SeekMode.Start);
    seek.writeSync(new TextEncoder().encode("B"));
    seek.truncateSync(12);
    assertEquals(image(1), { log: "012B456789A\0" });
    assertEquals(image(2), { log: "012\x00456789\0\0" });
  });
});

Deno.test("crashImage() refuses to guess after a write past the port", async () => {
  await withDisk({ log: "text" }, ({ root, image }) => {
    Deno.writeTextFileSync(`${root}/new`, "adopted");
    assertEquals(image(0), { log: "text", new: "adopted" });
    Deno.writeTextFileSync(`${root}/log`, "changed");
    assertThrows(() => image(0), Error, "it changed past the port");
  });
});

Deno.test("crashImage() follows symbolic links and keeps them", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await withDisk({ real: "" }, ({ root, port, image }) => {
    Deno.symlinkSync("real", `${root}/link`);
    put(port, `${root}/link`, "text").syncSync();
    assertEquals(image(0), { link: "text", real: "text" });
  });
});

/** Does one random change; every file is named by its content so that it can be recognised. */
function changeSomething(port: FaultPort, root: string, random: Random, serial: number): void {
  const tree = treeOf(root);
  const directories = ["", ...Object.keys(tree).filter((path) => tree[path] === null)];
  const inside = (path: string) => path === "" ? root : `${root}/${path}`;
  const fresh = `${inside(random.pick(directories))}/${serial}`;
  const movable = Object.keys(tree);
  const action = random.below(5);
  if (action === 0) port.mkdirSync(fresh, { mode: 0o700, recursive: false });
  else if (action === 1) syncDirectory(port, inside(random.pick(directories)));
  else if (movable.length > 0) {
    const from = random.pick(movable);
    if (!`${fresh}/`.startsWith(`${root}/${from}/`)) port.renameSync(`${root}/${from}`, fresh);
  }
}

Deno.test("crashImage() never loses nor doubles a durable file, whatever is moved", async () => {
  const first = runSeed();
  for (let round = 0; round < longCount(30, 1000); round++) {
    await withDisk({ a: "file a", b: "file b", c: "file c" }, ({ port, root, image }) => {
      const random = new Random(first + round);
      for (let serial = 0; serial < 25; serial++) changeSomething(port, root, random, serial);
      for (let seed = 0; seed < 10; seed++) {
        const files = Object.values(image(seed)).filter((text) => text !== null).sort();
        assertEquals(files, ["file a", "file b", "file c"], `seed ${first + round}, image ${seed}`);
      }
      assertEquals(image(1), treeOf(root), "seed 1 is what programs see");
    });
  }
});

Deno.test("crashImage() with everything kept equals the files, whatever is written", async () => {
  const first = runSeed();
  for (let round = 0; round < longCount(30, 1000); round++) {
    await withDisk({ log: "x".repeat(5000) }, ({ port, root, image }) => {
      const random = new Random(first + round);
      const handles = [APPEND, { write: true }].map((how) => port.openSync(`${root}/log`, how));
      for (let step = 0; step < 20; step++) {
        const handle = random.pick(handles);
        const action = random.below(4);
        if (action === 0) handle.seekSync(random.below(12_000), Deno.SeekMode.Start);
        if (action === 1) handle.truncateSync(random.below(12_000));
        if (action === 2) handle.writeSync(random.bytes(random.below(6000)).map((b) => b & 0x7f));
        if (action === 3 && random.chance(0.3)) handle.syncDataSync();
      }
      assertEquals(image(1), treeOf(root), `seed ${first + round}`);
      handles[0]?.syncDataSync();
      for (let seed = 0; seed < 5; seed++) assertEquals(image(seed), treeOf(root));
    });
  }
});
