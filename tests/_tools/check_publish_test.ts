import { assertEquals, assertMatch } from "@std/assert";
import { checkFiles, checkPublish } from "../../_tools/check_publish.ts";
import { type Documentation, scoreOf } from "../../_tools/publish/score.ts";
import { type Tree, withTree } from "./_tree.ts";

const EXPORTS = { ".": "./mod.ts", "./cli": "./dist/tool.js" };
const CONFIG = {
  name: "@scope/tool",
  version: "1.0.0",
  license: "MIT",
  exports: EXPORTS,
  publish: { exclude: ["!dist", ".gitignore"] },
};

/** A package with nothing wrong: its command is built and has declarations written by hand. */
const CLEAN: Tree = {
  "deno.json": JSON.stringify(CONFIG),
  ".gitignore": "dist/\n",
  "LICENSE": "MIT\n",
  "README.md": "# Tool\n\n```ts\nadd();\n```\n",
  "mod.ts": '/** All.\n * @module */\nexport { add } from "./store/add.ts";\n',
  "store/add.ts": "/** Adds. */\nexport function add(): number {\n  return 1;\n}\n",
  "dist/tool.js": '/* @ts-self-types="./tool.d.ts" */\nexport const main = 1;\n',
  "dist/tool.d.ts":
    "/** The command.\n * @module */\n/** Does it. */\nexport declare const main: number;\n",
};

async function problemsOf(changes: Tree): Promise<string[]> {
  return await withTree({ ...CLEAN, ...changes }, async (directory) => {
    return (await checkPublish(directory)).problems;
  });
}

Deno.test("checkPublish() finds nothing wrong with a package that gets all points", async () => {
  await withTree(CLEAN, async (directory) => {
    assertEquals(await checkPublish(directory), {
      problems: [],
      findings: [
        "2 of 2 points: a readme",
        "1 of 1 points: an example in it",
        "1 of 1 points: every entry says what is in it",
        "5 of 5 points: names are documented: 100 %",
        "7 files would be published",
      ],
    });
  });
});

Deno.test("checkPublish() finds names and entries without documentation, by hand-written types too", async () => {
  const [entries, names, ...more] = await problemsOf({
    "mod.ts": 'export { add } from "./store/add.ts";\n',
    "dist/tool.d.ts": "export declare const main: number;\n",
  });
  assertEquals(more, []);
  assertMatch(
    entries!,
    /^0 of 1 points for "every entry says .*missing: file:.*dist\/tool\.js, file:.*\/mod\.ts$/,
  );
  assertMatch(names!, /^3 of 5 points for "names .*: 50 %"; missing: main of file:.*tool\.js$/);
});

Deno.test("checkPublish() finds a slow type", async () => {
  const [problem, ...more] = await problemsOf({
    "store/add.ts": "/** Adds. */\nexport function add() {\n  return Math.max(1);\n}\n",
  });
  assertEquals(more, []);
  assertMatch(problem!, /^Cannot publish:\n[^]*missing-explicit-return-type/);
});

Deno.test("checkPublish() finds that the command is not built, or that dist is not published", async () => {
  const { "dist/tool.js": _, ...unbuilt } = CLEAN;
  await withTree(unbuilt, async (directory) => {
    const [problem] = (await checkPublish(directory)).problems;
    assertMatch(problem!, /^Cannot publish:\n[^]*dist\/tool\.js/);
  });
  const publish = { exclude: ["dist", ".gitignore"] };
  const [problem] = await problemsOf({ "deno.json": JSON.stringify({ ...CONFIG, publish }) });
  assertMatch(problem!, /dist\/tool\.js/);
});

Deno.test("checkPublish() finds files that nobody has meant to publish", async () => {
  assertEquals(await problemsOf({ "site/index.html": "<p>\n", ".env": "TOKEN=1\n" }), [
    ".env would be published: name it in publish.exclude of deno.json, or its folder here",
    "site/index.html would be published: name it in publish.exclude of deno.json, or its folder here",
  ]);
});

Deno.test("checkFiles() finds what the registry would refuse", () => {
  const files = new Map([["mod.ts", 1], ["docs/a.md", 2], ["docs/A.md", 20 * 2 ** 20]]);
  assertEquals(checkFiles(files, CONFIG), [
    "LICENSE would not be published",
    "README.md would not be published",
    "deno.json would not be published",
    "dist/tool.js would not be published",
    "docs/a.md and docs/A.md differ only in case, which JSR refuses",
    "20971523 bytes would be published, and JSR takes 20971520",
  ]);
});

/** The documentation of one entry with these names, by whether they are documented. */
function documentation(names: Record<string, boolean>): Documentation {
  const symbols = Object.entries(names).map(([name, isDocumented]) => ({
    name,
    declarations: [{
      kind: "variable",
      declarationKind: "export",
      ...isDocumented ? { jsDoc: { doc: "That." } } : {},
    }],
  }));
  return { nodes: { "file:///mod.ts": { module_doc: { tags: [{}] }, symbols } } };
}

Deno.test("scoreOf() gives points as the registry does", () => {
  const options = { readme: "# Tool\n", main: "file:///mod.ts" };
  const pointsOf = (names: Record<string, boolean>) =>
    scoreOf(documentation(names), options).map(({ points }) => points);
  assertEquals(pointsOf({}), [2, 0, 1, 5]);
  assertEquals(pointsOf({ a: true, b: true, c: true, d: true, e: false }), [2, 0, 1, 5]);
  assertEquals(pointsOf({ a: true, b: true, c: true, d: false }), [2, 0, 1, 4]);
  assertEquals(pointsOf({ a: false }), [2, 0, 1, 0]);
});

Deno.test("scoreOf() does not count what nobody sees", () => {
  const doc = documentation({ f: true });
  const [symbol] = doc.nodes["file:///mod.ts"]!.symbols;
  const overload = { kind: "function", declarationKind: "export", jsDoc: { doc: "That." } };
  const body = { kind: "function", declarationKind: "export", def: { hasBody: true } };
  const hidden = { kind: "interface", declarationKind: "private" };
  symbol!.declarations = [overload, { ...overload }, body, hidden];
  const score = scoreOf(doc, { readme: null, main: "file:///mod.ts" });
  assertEquals(score.at(-1), {
    name: "names are documented: 100 %",
    points: 5,
    most: 5,
    missing: [],
  });
  assertEquals(score[0]!.missing, ["README.md"]);
});
