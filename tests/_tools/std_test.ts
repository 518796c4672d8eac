/** What the stand-ins for `@std` must have in common with the real packages: see `test:jsr`. */
import {
  assertArrayIncludes,
  assertEquals,
  AssertionError,
  assertMatch,
  assertNotEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { crypto } from "@std/crypto/crypto";
import { walk } from "@std/fs/walk";
import { basename as posixBasename } from "@std/path/posix/basename";
import { dirname as posixDirname } from "@std/path/posix/dirname";
import { fromFileUrl as posixFromFileUrl } from "@std/path/posix/from-file-url";
import { isAbsolute as posixIsAbsolute } from "@std/path/posix/is-absolute";
import { join as posixJoin } from "@std/path/posix/join";
import { relative as posixRelative } from "@std/path/posix/relative";
import { resolve as posixResolve } from "@std/path/posix/resolve";
import { basename as windowsBasename } from "@std/path/windows/basename";
import { dirname as windowsDirname } from "@std/path/windows/dirname";
import { fromFileUrl as windowsFromFileUrl } from "@std/path/windows/from-file-url";
import { isAbsolute as windowsIsAbsolute } from "@std/path/windows/is-absolute";
import { join as windowsJoin } from "@std/path/windows/join";
import { relative as windowsRelative } from "@std/path/windows/relative";
import { resolve as windowsResolve } from "@std/path/windows/resolve";
import { join } from "../../_internal/path.ts";
import { withTree } from "./_tree.ts";

type Row = [args: string[], expected: string | boolean];

function testTable(name: string, call: (...args: string[]) => string | boolean, rows: Row[]) {
  Deno.test(name, () => {
    for (const [args, expected] of rows) {
      assertEquals(call(...args), expected, `called with ${JSON.stringify(args)}`);
    }
  });
}

testTable("join() joins and normalizes on POSIX", posixJoin, [
  [[], "."],
  [[""], "."],
  [["", ""], "."],
  [["a", "b"], "a/b"],
  [["a", "", "b/"], "a/b/"],
  [["/a", "../b"], "/b"],
  [["/a", "../../b"], "/b"],
  [["a", "../../b"], "../b"],
  [["a", ".."], "."],
  [["a", "..", "/"], "./"],
  [[".", "a", ".", "b"], "a/b"],
  [["//a", "//b"], "/a/b"],
  [["/"], "/"],
  [["/", ".."], "/"],
  [["a\\b", "c"], "a\\b/c"],
]);

testTable("join() joins and normalizes on Windows", windowsJoin, [
  [[], "."],
  [["", ""], "."],
  [["a", "b"], "a\\b"],
  [["a/b", "../c/"], "a\\c\\"],
  [["C:\\a", "..", "..", "b"], "C:\\b"],
  [["C:", "a"], "C:\\a"],
  [["C:a", "..", "..", "b"], "C:..\\b"],
  [["c:/"], "c:\\"],
  [["\\\\server\\share", "a", ".."], "\\\\server\\share\\"],
  [["//server", "share"], "\\\\server\\share\\"],
  [["//server/share/a"], "\\\\server\\share\\a"],
  [["//", "server", "share"], "\\server\\share"],
  [["\\", "a"], "\\a"],
  [["a", ".."], "."],
]);

testTable("basename() gives the last segment on POSIX", posixBasename, [
  [[""], ""],
  [["/"], "/"],
  [["//"], "/"],
  [["a"], "a"],
  [["/a/b.ts"], "b.ts"],
  [["/a/b.ts", ".ts"], "b"],
  [["/a/b.ts", "b.ts"], "b.ts"],
  [["/a/b.ts", "x"], "b.ts"],
  [["a/b//"], "b"],
  [["a/b.ts/", ".ts"], "b"],
  [["a\\b"], "a\\b"],
]);

testTable("basename() gives the last segment on Windows", windowsBasename, [
  [[""], ""],
  [["\\"], "\\"],
  [["C:"], ""],
  [["C:\\"], "\\"],
  [["C:a.ts", ".ts"], "a"],
  [["C:\\a\\b.ts"], "b.ts"],
  [["C:/a/b.ts/", ".ts"], "b"],
  [["\\\\server\\share\\a"], "a"],
]);

testTable("dirname() gives the parent on POSIX", posixDirname, [
  [[""], "."],
  [["a"], "."],
  [["a/"], "."],
  [["/"], "/"],
  [["///"], "/"],
  [["/a"], "/"],
  [["//a"], "/"],
  [["/a/b/"], "/a"],
  [["a//b"], "a"],
  [["a/b/c"], "a/b"],
]);

testTable("dirname() gives the parent on Windows", windowsDirname, [
  [[""], "."],
  [["a"], "."],
  [["\\"], "\\"],
  [["\\a"], "\\"],
  [["C:"], "C:"],
  [["C:\\"], "C:\\"],
  [["C:\\a"], "C:\\"],
  [["C:a"], "C:"],
  [["C:\\a\\b\\"], "C:\\a"],
  [["C:\\a/b"], "C:\\a"],
  [["\\\\server\\share"], "\\\\server\\share"],
  [["\\\\server\\share\\a"], "\\\\server\\share\\"],
  [["\\\\server\\share\\a\\b"], "\\\\server\\share\\a"],
]);

testTable("resolve() makes an absolute path on POSIX", posixResolve, [
  [["/a", "b"], "/a/b"],
  [["/a", "/b", "c"], "/b/c"],
  [["/a", "../../.."], "/"],
  [["/a/", "", "./b/"], "/a/b"],
  [["/"], "/"],
]);

testTable("resolve() makes an absolute path on Windows", windowsResolve, [
  [["C:\\a", "b"], "C:\\a\\b"],
  [["C:/a", "..\\b/"], "C:\\b"],
  [["C:\\a", "\\b"], "C:\\b"],
  [["C:\\a", "D:\\b"], "D:\\b"],
  [["c:\\a", "C:b"], "C:\\a\\b"],
  [["D:\\x", "C:\\a", "D:y", "b"], "D:\\x\\y\\b"],
  [["\\\\server\\share", "..", "a"], "\\\\server\\share\\a"],
  [["C:\\a", "..\\.."], "C:\\"],
]);

testTable("relative() leads from one path to another on POSIX", posixRelative, [
  [["/a", "/a"], ""],
  [["/a", "/a/b"], "b"],
  [["/a/b", "/a/c/d"], "../c/d"],
  [["/a/b", "/"], "../.."],
  [["/", "/a"], "a"],
  [["/ab", "/a"], "../a"],
]);

testTable("relative() leads from one path to another on Windows", windowsRelative, [
  [["C:\\a", "c:\\A"], ""],
  [["C:\\a", "C:\\a\\b"], "b"],
  [["C:\\a\\b", "C:\\a\\c\\d"], "..\\c\\d"],
  [["C:\\a", "D:\\a"], "D:\\a"],
  [["C:\\", "C:\\a"], "a"],
  [["C:\\a", "C:\\"], ".."],
]);

testTable("isAbsolute() knows absolute paths on POSIX", posixIsAbsolute, [
  [["/"], true],
  [["/a"], true],
  [["a/"], false],
  [[""], false],
  [["C:\\"], false],
]);

testTable("isAbsolute() knows absolute paths on Windows", windowsIsAbsolute, [
  [["\\a"], true],
  [["/a"], true],
  [["C:\\"], true],
  [["C:/"], true],
  [["C:"], false],
  [["C:a"], false],
  [["a\\"], false],
  [[""], false],
]);

testTable("fromFileUrl() decodes on POSIX", posixFromFileUrl, [
  [["file:///a/b%20c"], "/a/b c"],
  [["file:///a/100%"], "/a/100%"],
  [["file:///a?b#c"], "/a"],
]);

testTable("fromFileUrl() decodes on Windows", windowsFromFileUrl, [
  [["file:///C:/a/b%20c"], "C:\\a\\b c"],
  [["file:///C:"], "C:\\"],
  [["file:///a/100%"], "\\a\\100%"],
  [["file://server/share/a"], "\\\\server\\share\\a"],
]);

Deno.test("fromFileUrl() refuses other URLs, and the functions take file URLs", () => {
  for (const fromFileUrl of [posixFromFileUrl, windowsFromFileUrl]) {
    assertThrows(
      () => fromFileUrl("http://localhost/a"),
      TypeError,
      'URL must be a file URL: received "http:"',
    );
  }
  assertEquals(posixJoin(new URL("file:///a/b"), "..", "c"), "/a/c");
  assertEquals(windowsDirname(new URL("file:///C:/a/b")), "C:\\a");
});

Deno.test("resolve() starts from the working directory", () => {
  const resolve = Deno.build.os === "windows" ? windowsResolve : posixResolve;
  assertEquals(resolve("a", "..", "b"), join(Deno.cwd(), "b"));
});

Deno.test("walk() yields what its options ask for", async () => {
  const tree = { "a/b.ts": "", "a/c/d.ts": "", "a/c/e.md": "", "skipped/f.ts": "" };
  await withTree(tree, async (directory) => {
    const found = async (options: Parameters<typeof walk>[1]) => {
      const entries = await Array.fromAsync(walk(directory, options));
      return entries.map(({ path }) => path.slice(directory.length + 1).replaceAll("\\", "/"))
        .toSorted();
    };
    assertEquals(await found({ includeFiles: false }), ["", "a", "a/c", "skipped"]);
    assertEquals(await found({ maxDepth: 1 }), ["", "a", "skipped"]);
    assertEquals(await found({ maxDepth: -1 }), []);
    assertEquals(await found({ exts: ["ts"], skip: [/skipped/] }), ["a/b.ts", "a/c/d.ts"]);
    assertEquals(await found({ match: [/e\.md$/, /f\.ts$/] }), ["a/c/e.md", "skipped/f.ts"]);
  });
});

Deno.test("walk() rejects when there is no such directory", async () => {
  await withTree({}, async (directory) => {
    const walking = Array.fromAsync(walk(join(directory, "none")));
    await assertRejects(() => walking, Deno.errors.NotFound);
  });
});

class Point {
  constructor(readonly x: number) {}
}

Deno.test("assertEquals() compares structure", () => {
  assertEquals({ a: [1, { b: new Date(0) }] }, { a: [1, { b: new Date(0) }] });
  assertEquals(new Map([["a", new Set([1])]]), new Map([["a", new Set([1])]]));
  assertEquals([NaN, 0], [NaN, -0]);
  assertEquals(new Uint8Array([1, 2]), new Uint8Array([1, 2]));
  assertEquals(Object.assign(Object.create(null), { a: 1 }), { a: 1 });
  assertEquals(new Point(1), new Point(1));
  const different: [unknown, unknown][] = [
    [{ a: undefined }, {}],
    [[1, 2], [1, 2, 3]],
    [new Point(1), { x: 1 }],
    [new Point(1), new Point(2)],
    [new Uint8Array([1]), new Uint16Array([1])],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Set([1]), new Set([2])],
    [/a/, /a/g],
    ["1", 1],
    [null, undefined],
  ];
  for (const [a, b] of different) {
    assertNotEquals(a, b);
    assertThrows(() => assertEquals(a, b, "why"), AssertionError, "Values are not equal: why");
    assertThrows(() => assertNotEquals(a, structuredCloneOf(a)), AssertionError);
  }
});

/** The same structure, but another object wherever there is one. */
function structuredCloneOf(value: unknown): unknown {
  return value instanceof Point ? new Point(value.x) : structuredClone(value);
}

Deno.test("assertStrictEquals() compares identity", () => {
  assertStrictEquals(NaN, NaN);
  assertThrows(() => assertStrictEquals({}, {}), AssertionError);
  assertThrows(() => assertStrictEquals(0, -0), AssertionError, "Values are not strictly equal.");
});

Deno.test("assertObjectMatch() and assertArrayIncludes() compare what is expected", () => {
  assertObjectMatch({ a: { b: 1, c: 2 }, d: [1, { e: 1, f: 2 }] }, {
    a: { b: 1 },
    d: [1, { e: 1 }],
  });
  assertThrows(() => assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }), AssertionError);
  assertThrows(() => assertObjectMatch({ a: 1 }, { b: undefined }), AssertionError);
  assertArrayIncludes([1, { a: 1 }, "b"], [{ a: 1 }]);
  assertThrows(() => assertArrayIncludes([1], [1, 2]), AssertionError, "missing: [");
});

Deno.test("assertThrows() and assertRejects() check class and message", async () => {
  const error = new RangeError("Cannot go on");
  const fails = () => {
    throw error;
  };
  const rejects = () => Promise.reject(error);
  assertStrictEquals(assertThrows(fails, Error, "go"), error);
  assertStrictEquals(await assertRejects(rejects, RangeError, "Cannot"), error);
  assertThrows(() => assertThrows(fails, TypeError), AssertionError, 'instance of "TypeError"');
  assertThrows(() => assertThrows(fails, RangeError, "stop"), AssertionError, '"stop"');
  assertThrows(() => assertThrows(() => {}, "why"), AssertionError, "to throw: why");
  await assertRejects(() => assertRejects(rejects, TypeError), AssertionError);
  await assertRejects(() => assertRejects(() => Promise.resolve()), AssertionError, "to reject.");
  const throwsAtOnce = await assertRejects(() => assertRejects(fails), AssertionError);
  assertMatch(throwsAtOnce.message, /^Function throws when expected to reject/);
});

Deno.test("crypto.subtle.digestSync() makes the digests that are known", () => {
  const bytes = new TextEncoder().encode("abc");
  const sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
  const digest = (...args: Parameters<typeof crypto.subtle.digestSync>) =>
    new Uint8Array(crypto.subtle.digestSync(...args)).toHex();
  assertEquals(digest("SHA-256", bytes), sha256);
  assertEquals(digest("BLAKE3", bytes), blake3);
  assertEquals(digest({ name: "BLAKE3", length: 8 }, bytes), blake3.slice(0, 16));
  assertEquals(digest("SHA-256", bytes.buffer), sha256);
  assertEquals(digest("SHA-256", new DataView(bytes.buffer)), sha256);
  assertEquals(digest("SHA-256", [bytes.subarray(0, 1), bytes.subarray(1)]), sha256);
});
