import { assertEquals } from "@std/assert";
import { checkBoundaries } from "../../_tools/check_boundaries.ts";
import { problemsOf, runTool, type Tree } from "./_tree.ts";

const CONFIG = JSON.stringify({
  name: "@taffrail/taffrail",
  exports: { ".": "./mod.ts", "./eventlog": "./eventlog/mod.ts", "./cli": "./cli/main.ts" },
  imports: { "@std/path": "jsr:@std/path@^1.1.0", "aliased/": "./eventlog/" },
});

/** Uses everything that the rules allow. */
const CLEAN: Tree = {
  "deno.json": CONFIG,
  "README.md": 'import { openEventLog } from "jsr:@taffrail/taffrail/eventlog";\n',
  "mod.ts": '/** All. @module */\nexport * from "./eventlog/mod.ts";\n',
  "_internal/path.ts": 'import { join } from "@std/path/posix/join";\nexport { join };\n' +
    'export const isWindows = Deno.build.os === "windows";\n',
  "_internal/hash.ts": 'import { crypto } from "@std/crypto/crypto";\nexport { crypto };\n',
  "capture/mod.ts": 'export { hash } from "../_internal/hash.ts";\n' +
    'export type { Passed } from "./types.ts";\n',
  "capture/types.ts": 'export type { Passed } from "../_internal/passed.ts";\n',
  "eventlog/mod.ts": 'export { join } from "../_internal/path.ts";\n' +
    'export { open as openLog } from "./open.ts";\nexport type * from "./types.ts";\n',
  "eventlog/open.ts": "export function open() {\n  return Deno.openSync;\n}\n" +
    "export class Log {\n  static make = () => Deno.pid;\n  pid = Deno.pid;\n}\n" +
    "type File = Deno.FsFile;\n",
  "eventlog/types.ts": 'import type { B } from "../store/types.ts";\nexport type A = B;\n',
  "store/types.ts": "export type B = { performance: number };\n",
  "_internal/passed.ts": "export type Passed = 1;\n",
  "supervisor/core/step.ts": 'import type { B } from "../../store/types.ts";\n' +
    "export const step = (b: B) => b.performance;\n",
  "cli/main.ts": 'import { run } from "./run.ts";\nrun();\n',
  "cli/run.ts": 'import { open } from "../eventlog/open.ts";\nimport "../run/record.ts";\n' +
    'import "../_internal/hash.ts";\nexport const run = () => import("./view.ts");\n',
  "cli/view.ts": 'import process from "node:process";\nprocess.exit(Deno.pid);\n',
  "run/record.ts": 'import { open } from "../eventlog/open.ts";\n' +
    'import type { A } from "../eventlog/types.ts";\nimport "../_internal/path.ts";\n' +
    'import type { Passed } from "../capture/types.ts";\n',
  "examples/01_log.ts": 'import "@taffrail/taffrail/eventlog";\nimport "@std/fs/walk";\n',
  "tests/a_test.ts": 'import "../_internal/path.ts";\nimport "@std/assert";\nimport "npm:x";\n',
};

const CASES: { name: string; tree: Tree; problems: string[] }[] = [
  {
    name: "finds a value imported from another module",
    tree: {
      "eventlog/a.ts": '\nimport { b } from "../store/mod.ts";\n',
      "eventlog/c.ts": 'export * from "../store/types.ts";\n',
      "eventlog/d.ts": 'const d = await import("../store/d.ts");\n',
      "eventlog/e.ts": 'import { type B } from "../store/types.ts";\n',
    },
    problems: [
      'eventlog/a.ts:2: Imports a value from another module, "store/mod.ts"',
      'eventlog/c.ts:1: Imports a value from another module, "store/types.ts"',
      'eventlog/d.ts:1: Imports a value from another module, "store/d.ts"',
      'eventlog/e.ts:1: Imports a value from another module, "store/types.ts"',
    ].map((start) =>
      `${start} (rule 1): take it through an interface and let the program that composes ` +
      "the modules pass it in"
    ),
  },
  {
    name: "finds a type imported from another module's other files",
    tree: {
      "eventlog/a.ts": 'import type { B } from "../store/b.ts";\n',
      "eventlog/c.ts": 'export type C = import("../store/mod.ts").C;\n',
      "eventlog/d.ts": 'export type { D } from "../store/d.ts";\n',
    },
    problems: ["a.ts:1 b.ts", "c.ts:1 mod.ts", "d.ts:1 d.ts"].map((pair) => {
      const [place, target] = pair.split(" ");
      return `eventlog/${place}: Imports a type of another module from "store/${target}" ` +
        '(rule 1): import it from "store/types.ts"';
    }),
  },
  {
    name: "finds a module imported by _internal",
    tree: { "_internal/a.ts": 'import type { B } from "../store/types.ts";\n' },
    problems: [
      '_internal/a.ts:1: Imports a module, "store/types.ts" (rule 2): ' +
      "_internal/ stands below the modules, so move what is shared into it",
    ],
  },
  {
    name: "finds anything but export … from in a mod.ts",
    tree: { "store/mod.ts": 'export { b } from "./b.ts";\nexport const c = 1;\n' },
    problems: [
      'store/mod.ts:2: Holds more than "export … from" (rule 2): move this into a file of its own',
    ],
  },
  {
    name: "finds what run and cli import and no mod.ts exports",
    tree: {
      "cli/a.ts": 'import { Log, open } from "../eventlog/open.ts";\n' +
        'const { made } = await import("../eventlog/open.ts");\n' +
        '(await import("../store/a.ts")).a();\n',
      "run/a.ts": 'import type { B } from "../store/types.ts";\n' +
        'export { Log as Kept } from "../eventlog/open.ts";\n',
    },
    problems: [
      "cli/a.ts:1: Imports Log, which eventlog/mod.ts",
      "cli/a.ts:2: Imports made, which eventlog/mod.ts",
      "cli/a.ts:3: Imports a, which store/mod.ts",
      "run/a.ts:1: Imports B, which store/mod.ts",
      "run/a.ts:2: Imports Log, which eventlog/mod.ts",
    ].map((start) =>
      `${start} does not export (rule 2): export it there, or move what is shared into _internal/`
    ),
  },
  {
    name: "finds what run and cli import from elsewhere than the file that defines it",
    tree: {
      "cli/a.ts": 'import { openLog, type A } from "../eventlog/mod.ts";\n',
      "run/a.ts": 'import type { A } from "../eventlog/passed_on.ts";\n',
      "eventlog/passed_on.ts": 'export type { A } from "./types.ts";\n',
    },
    problems: [
      'cli/a.ts:1: Imports A from "eventlog/mod.ts" (rule 2): import it from "eventlog/types.ts"',
      'cli/a.ts:1: Imports openLog from "eventlog/mod.ts" (rule 2): ' +
      'import it from "eventlog/open.ts"',
      'run/a.ts:1: Imports A from "eventlog/passed_on.ts" (rule 2): ' +
      'import it from "eventlog/types.ts"',
    ].map((start) => `${start}, which defines it`),
  },
  {
    name: "finds imports of run and cli that do not say what they take",
    tree: {
      "cli/a.ts": 'import * as log from "../eventlog/open.ts";\nimport "../eventlog/open.ts";\n',
      "run/a.ts": 'export * from "../eventlog/open.ts";\nawait import("../eventlog/open.ts");\n',
    },
    problems: ["cli/a.ts:1", "cli/a.ts:2", "run/a.ts:1", "run/a.ts:2"].map((place) =>
      `${place}: Imports "eventlog/open.ts" without saying what (rule 2): name what is imported`
    ),
  },
  {
    name: "finds what examples import that no reader can copy",
    tree: {
      "examples/02_a.ts":
        'import type { A } from "../eventlog/types.ts";\nimport a from "npm:a";\n' +
        'import "../eventlog/mod.ts";\nimport "@std/assert";\nimport "./01_log.ts";\n',
    },
    problems: ["../eventlog/types.ts", "npm:a", "../eventlog/mod.ts", "@std/assert"].map(
      (name, index) =>
        `examples/02_a.ts:${index + 1}: Imports "${name}" (rule 2): ` +
        "examples import the package and @std only",
    ),
  },
  {
    name: "finds circles of imports once each, those of types too",
    tree: {
      "store/a.ts": '\nimport { b } from "./b.ts";\n',
      "store/b.ts": 'import type { C } from "./c.ts";\n',
      "store/c.ts": 'export * from "./a.ts";\nimport "./d.ts";\n',
      "store/d.ts": "export const d = 1;\n",
      "tests/x.ts": 'import "./x.ts";\n',
    },
    problems: [
      'store/a.ts:2: Imports itself by way of "store/b.ts" → "store/c.ts" → "store/a.ts"',
      'tests/x.ts:1: Imports itself by way of "tests/x.ts"',
    ].map((start) => `${start} (rule 1): move what both need below both`),
  },
  {
    name: "finds uses of Deno while the library loads",
    tree: {
      "store/a.ts": "const os = Deno.build.os;\nexport class A {\n  static pid = Deno.pid;\n" +
        "  static {\n    Deno.cwd();\n  }\n}\nclass B extends Deno.errors.NotFound {}\n" +
        "(() => Deno.pid)();\nconst deno = globalThis.Deno;\nconst a = { Deno: 1 }.Deno;\n" +
        "const open = { now: Deno.openSync, later: () => Deno.openSync };\n",
    },
    problems: [1, 3, 5, 8, 9, 10, 12].map((line) =>
      `store/a.ts:${line}: Uses Deno while it loads (rule 4): ask inside the function that ` +
      "needs it, so that what is pure loads in Node and Bun"
    ),
  },
  {
    name: "finds modules of Node on the way to a spawned command",
    tree: {
      "cli/run.ts": 'import { parseArgs } from "node:util";\nexport const run = parseArgs;\n',
      "cli/verbs/exec.ts": 'import "../spawn.ts";\nimport type { A } from "node:a";\n',
      "cli/verbs/ls.ts": 'import "node:fs";\n',
      "cli/spawn.ts": '\nimport "node:path";\nawait import("node:os");\n',
    },
    problems: ['run.ts:1: Imports "node:util"', 'spawn.ts:2: Imports "node:path"'].map((start) =>
      `cli/${start} on the way to a spawned command (rule 4): ` +
      "do without it, or import it where it is needed"
    ),
  },
  {
    name: "finds a relative import in documentation",
    tree: {
      "docs/log.md": "# Log\n\n```ts\nimport { a } from '../mod.ts';\n```\n",
      "eventlog/a.ts": 'const a = "./b.ts";\n/**\n * import { c } from "./c.ts";\n */\n',
    },
    problems: ["docs/log.md:4 ../mod.ts", "eventlog/a.ts:3 ./c.ts"].map((pair) => {
      const [place, specifier] = pair.split(" ");
      return `${place}: Shows the relative import "${specifier}" (rule 2): ` +
        'show "@taffrail/taffrail" or one of its subpaths';
    }),
  },
  {
    name: "finds clocks, timers and chance in the core",
    tree: {
      "supervisor/core/a.ts": "const now = Date.now();\nsetTimeout(() => {}, 1);\n" +
        "Math.random();\nMath.max(1, 2);\nAbortSignal.timeout(1);\nconst a = () => Deno.cwd();\n" +
        "performance.now();\ncrypto.randomUUID();\nglobalThis.a;\n",
    },
    problems: [
      "1: Uses Date",
      "2: Uses setTimeout",
      "3: Uses Math.random",
      "5: Uses AbortSignal.timeout",
      "6: Uses Deno",
      "7: Uses performance",
      "8: Uses crypto",
      "9: Uses globalThis",
    ].map((start) =>
      `supervisor/core/a.ts:${start} (rule 3): the core decides from its input alone, ` +
      "so let the driver pass in what is needed"
    ),
  },
  {
    name: "finds what the core loads that is not pure",
    tree: {
      "supervisor/core/a.ts": 'import "../b.ts";\nimport "@std/random/shuffle";\n',
      "supervisor/b.ts": 'import "../_internal/clock.ts";\n',
      "_internal/clock.ts": "export const a = 1;\nexport const now = () => Date.now();\n",
    },
    problems: [
      "1: Loads _internal/clock.ts, which uses Date on line 2",
      '2: Imports "@std/random/shuffle"',
    ].map((start) =>
      `supervisor/core/a.ts:${start} (rule 3): the core loads only what is as pure as itself`
    ),
  },
  {
    name: "finds anything but @std in library code",
    tree: {
      "store/a.ts": 'import fs from "node:fs";\nimport b from "npm:b";\n' +
        'import "jsr:@std/fs@1/walk";\nimport type { Z } from "zod";\nimport "aliased/a.ts";\n',
    },
    problems: ["node:fs", "npm:b", "jsr:@std/fs@1/walk", "zod", "aliased/a.ts"].map((name, index) =>
      `store/a.ts:${index + 1}: Imports "${name}" (rule 4): ` +
      "library code imports relative files and entries of @std only"
    ),
  },
  {
    name: "finds the wide entries of @std in library code",
    tree: { "store/a.ts": 'import { walk } from "@std/fs";\n' },
    problems: [
      'store/a.ts:1: Imports the whole of "@std/fs" (rule 4): ' +
      'import one entry, as in "@std/fs/walk"',
    ],
  },
  {
    name: "finds @std/path anywhere but in _internal/path.ts, and its generic entries there too",
    tree: {
      "_internal/path.ts": 'import "@std/path/join";\nimport "@std/path";\n',
      "store/a.ts": 'import "@std/path/posix/join";\n',
    },
    problems: [
      '_internal/path.ts:1: Imports "@std/path/join"',
      '_internal/path.ts:2: Imports "@std/path"',
      'store/a.ts:1: Imports "@std/path/posix/join"',
    ].map((start) =>
      `${start} (rule 4): import from _internal/path.ts, which picks the narrow entry ` +
      "for the system"
    ),
  },
  {
    name: "finds assertions outside tests",
    tree: {
      "store/a.ts": 'import { assert } from "@std/assert";\n',
      "cli/a.ts": 'import { assert } from "@std/assert/assert";\n',
    },
    problems: ["cli/a.ts @std/assert/assert", "store/a.ts @std/assert"].map((pair) => {
      const [path, name] = pair.split(" ");
      return `${path}:1: Imports "${name}" (rule 4): ` +
        "it is for tests and examples in documentation";
    }),
  },
  {
    name: "finds the library importing what is built on it, and what only running tells",
    tree: {
      "store/a.ts": 'import "../cli/main.ts";\nimport "../tests/a.ts";\nimport("a" + 1);\n',
    },
    problems: [
      'store/a.ts:1: Imports "cli/main.ts" (rule 4): ' +
      "the library does not import what is built on it",
      'store/a.ts:2: Imports "tests/a.ts" (rule 4): ' +
      "the library does not import what is built on it",
      "store/a.ts:3: Imports what is known only at run time (rule 4): write the specifier out",
    ],
  },
  {
    name: "finds ways from supervisor and eventlog to @std/crypto",
    tree: {
      "eventlog/a.ts": 'import { crypto } from "@std/crypto/crypto";\n',
      "supervisor/a.ts": 'import "./b.ts";\n',
      "supervisor/b.ts": 'import "../_internal/ids.ts";\n',
      "_internal/ids.ts": 'import "./hash.ts";\n',
    },
    problems: [
      'eventlog/a.ts:1: Imports "@std/crypto/crypto"',
      'supervisor/b.ts:1: Loads "@std/crypto/crypto" by way of _internal/hash.ts',
    ].map((start) => `${start} (rule 4): only capture, trace and store may load it`),
  },
];

Deno.test("checkBoundaries() finds nothing in a tree that keeps the rules", async () => {
  assertEquals(await problemsOf(checkBoundaries, CLEAN), []);
});

for (const { name, tree, problems } of CASES) {
  Deno.test(`checkBoundaries() ${name}`, async () => {
    assertEquals(await problemsOf(checkBoundaries, { ...CLEAN, ...tree }), problems);
  });
}

Deno.test("check_boundaries.ts prints each problem and exits with 1", async () => {
  assertEquals(await runTool("check_boundaries.ts", CLEAN), { code: 0, text: "" });
  const broken = { ...CLEAN, "examples/02_a.ts": 'import a from "npm:a";\n' };
  assertEquals(await runTool("check_boundaries.ts", broken), {
    code: 1,
    text: 'examples/02_a.ts:1: Imports "npm:a" (rule 2): ' +
      "examples import the package and @std only\n",
  });
});
