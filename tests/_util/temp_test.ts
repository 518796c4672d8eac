import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { isLongRun, longCount, parseSeed, seed, withMemoryDir, withTempDir } from "./temp.ts";

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

for (const make of [withTempDir, withMemoryDir]) {
  Deno.test(`${make.name}() gives an empty real directory and removes it with its content`, async () => {
    const { path, value } = await make(async (directory) => {
      assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
      assertEquals(await Deno.realPath(directory), directory);
      await Deno.mkdir(`${directory}/a/b`, { recursive: true });
      await Deno.writeTextFile(`${directory}/a/b/c`, "text");
      return { path: directory, value: 5 };
    });
    assertEquals(value, 5);
    assertEquals(await exists(path), false);
  });

  Deno.test(`${make.name}() removes the directory when the test fails`, async () => {
    let path = "";
    const failing = make((directory) => {
      path = directory;
      throw new Error("the test");
    });
    await assertRejects(() => failing, Error, "the test");
    assert(path !== "");
    assertEquals(await exists(path), false);
  });
}

Deno.test("longCount() follows TAFFRAIL_LONG", () => {
  assertEquals(isLongRun(), Deno.env.get("TAFFRAIL_LONG") === "1");
  assertEquals(longCount(3, 300), isLongRun() ? 300 : 3);
});

Deno.test("seed() stays the same within a run and honours TAFFRAIL_SEED", () => {
  const first = seed();
  assertEquals(seed(), first);
  const asked = Deno.env.get("TAFFRAIL_SEED");
  if (asked) assertEquals(first, Number(asked));
});

Deno.test("parseSeed() takes 32 bits and nothing else", () => {
  assertEquals([parseSeed("0"), parseSeed("4294967295")], [0, 4294967295]);
  for (const text of ["-1", "4294967296", "1.5", "x"]) {
    assertThrows(() => parseSeed(text), RangeError, "TAFFRAIL_SEED");
  }
  const drawn = parseSeed(undefined);
  assert(Number.isInteger(drawn) && drawn >= 0 && drawn < 2 ** 32);
});
