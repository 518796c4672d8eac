import { assertEquals } from "@std/assert";
import { formatProblem } from "../../_tools/_problem.ts";
import { SHORT_FILES } from "../../_tools/tidy/short_files.ts";
import { tidy } from "../../_tools/tidy.ts";
import { problemsOf, runTool, type Tree, withTree } from "./_tree.ts";

const CONFIG = JSON.stringify({
  name: "@taffrail/taffrail",
  exports: { ".": "./mod.ts", "./cli": "./cli/main.ts" },
  tasks: { bench: "deno run bench/main.ts" },
}) + "\n";

/** Uses everything that is allowed at the edge of the rules. */
const CLEAN: Tree = {
  "deno.json": CONFIG,
  "LICENSE": "MIT\n",
  ".ci/run": "#!/bin/bash\n",
  "mod.ts": 'export { add, type Sum } from "./store/add.ts";\n',
  "store/add.ts":
    "/**\n * Adds.\n *\n * @example Usage\n * ```ts\n * add();\n * ```\n */\nexport function add() {}\n" +
    "export interface Sum { run_id: string }\nexport const MOST_LINES = 1;\nconst { run_id } = a;\n" +
    "export function hidden() {}\njoin(root, 'files');\n" + lines(60),
  "store/types.ts": "export type A = 1;\n",
  "_internal/root_layout.ts": 'import type { A } from "../store/types.ts";\n' +
    "export const runs = (root) => join(root, 'runs');\nconst log = 'events.jsonl';\n" + lines(60),
  "cli/main.ts":
    "export function main() {}\nconst text = 'TODO';\n// deno-lint-ignore no-console -- prints\n",
  "bench/main.ts": "// @ts-expect-error: not in the types yet\n",
  "examples/01_log.ts": "main();\n",
  "tests/a_test.ts":
    'import "./_util/b.ts";\nimport "../_internal/root_layout.ts";\nDeno.test({ ignore: isWindows, name: "a" });\n',
  "tests/_util/b.ts": 'new Worker(new URL("./worker.ts", import.meta.url));\n',
  "tests/_util/worker.ts": "done();\n",
  "tests/postgres/a_pg.ts": "done();\n",
  "tests/golden/damaged.md": "blanks and no newline  ",
};

function lines(count: number): string {
  return "a();\n".repeat(count);
}

const CASES: { name: string; tree: Tree; problems: string[] }[] = [
  {
    name: "finds long files, and allows tests to be longer",
    tree: {
      "bench/main.ts": lines(501),
      "tests/a_test.ts": 'import "../_internal/root_layout.ts";\n' + lines(600),
      "tests/b_test.ts": lines(600),
    },
    problems: [
      "bench/main.ts:501: File has 501 lines, at most 500: split it",
      "tests/_util/b.ts:1: File is used by nothing: import it, name it in deno.json, or remove it",
      "tests/_util/worker.ts:1: File is used by nothing: " +
      "import it, name it in deno.json, or remove it",
      "tests/a_test.ts:601: File has 601 lines, at most 600: split it",
    ],
  },
  {
    name:
      "finds short files of the library and the command, but for those that are short by nature",
    tree: {
      "cli/main.ts": 'import "./a.ts";\nimport "./verbs/b.ts";\nimport "./c.ts";\n',
      "cli/a.ts": lines(59),
      "cli/c.ts": lines(60),
      "cli/verbs/b.ts": lines(1),
    },
    problems: [
      "cli/a.ts:1: File has 59 lines, at least 60: merge it with what it belongs to, " +
      "or give the reason in _tools/tidy/short_files.ts",
    ],
  },
  {
    name: "finds excuses for files that are not short, or not there",
    tree: {
      "_tools/tidy/short_files.ts": "",
      "tests/b_test.ts": 'import "../_tools/tidy/short_files.ts";\n',
    },
    problems: Object.keys(SHORT_FILES).toSorted().map((path) =>
      `_tools/tidy/short_files.ts:1: Excuses ${path}, which is not short: remove the row`
    ),
  },
  {
    name: "finds folders with too many files",
    tree: Object.fromEntries(
      ["cli/verbs", "tests/cli"].flatMap((folder) =>
        Array.from({ length: 26 }, (_, index) => [`${folder}/v${index}_test.ts`, ""])
      ).concat([[
        "tests/b_test.ts",
        Array.from(
          { length: 26 },
          (_, index) => `import "../cli/verbs/v${index}_test.ts";\n`,
        ).join(""),
      ]]),
    ),
    problems: ["cli/verbs:1: Folder has 26 files, at most 25: make sub-folders"],
  },
  {
    name: "finds files that are opened past the one place that refuses what is no file",
    tree: {
      "bench/main.ts": 'Deno.openSync("a");\n',
      "_internal/file_port.ts": 'port.openSync("a");\n' + lines(60),
      "cli/flow/task_files.ts": 'Deno.readTextFileSync("a");\n' + lines(60),
      "cli/main.ts":
        'import "./flow/task_files.ts";\nimport "../_internal/file_port.ts";\nDeno.readFile("a");\nport.openSync("a", { read: true });\n' +
        'await requireDeno().open("a");\nDeno.writeTextFileSync("a", "b");\n' +
        'port.openSync("a", { write: true, createNew: true });\nwriter.open("{");\n' +
        'const { open } = Deno;\nreadFileSync(port, "a");\n',
    },
    problems: [3, 4, 5, 6].map((line) =>
      `cli/main.ts:${line}: Opens a file by itself (rule 5): openRegularSync() of ` +
      "_internal/file_port.ts refuses pipes, devices, folders and links"
    ),
  },
  {
    name: "finds leave to open files that nobody needs any more",
    tree: {
      "cli/main.ts": 'import "./flow/task_files.ts";\n',
      "cli/flow/task_files.ts": 'foo("a");\n' + lines(60),
    },
    problems: [
      "cli/flow/task_files.ts:1: Opens no file, and has leave to do so in _tools/tidy (rule 5)",
    ],
  },
  {
    name: "finds paths below a root that are made by hand",
    tree: {
      "bench/main.ts": 'join(root, "runs");\n',
      "cli/main.ts": 'join(root, "runs", id);\nresolve(root, `runs/${id}`);\n' +
        'const path = `${root}/runs/${id}/events.jsonl`;\njoin(a, "x/events.jsonl");\n' +
        'const text = "runs";\nconst more = `the runs`;\nfoo("runs");\n',
    },
    problems: ["1 runs", "2 runs", "3 runs", "4 events.jsonl"].map((pair) => {
      const [line, name] = pair.split(" ");
      return `cli/main.ts:${line}: Makes a path with "${name}" (rule 5): ` +
        "take it from _internal/root_layout.ts";
    }),
  },
  {
    name: "finds long functions",
    tree: {
      "bench/main.ts":
        `// What it does.\nfunction long() {\n${lines(69)}}\nconst arrow = () => {\n` +
        `${lines(69)}};\nclass A { b() {\n${lines(68)}} }\nrun(() => {\n${lines(69)}});\n`,
    },
    problems: ["2: Function long", "73: Function arrow", "214: Function without a name"].map((
      start,
    ) => `bench/main.ts:${start} has 71 lines, at most 70: split it`),
  },
  {
    name: "finds file names that are not in snake_case",
    tree: { "tests/bigCase_test.ts": "", "tests/with-dash_test.ts": "" },
    problems: ["bigCase", "with-dash"].map((name) =>
      `tests/${name}_test.ts:1: File name is not in snake_case: rename it`
    ),
  },
  {
    name: "finds declared names that are not in camelCase",
    tree: {
      "bench/main.ts":
        "const run_id = 1;\nfunction do_it(node_id) {}\nconst { a: last_ts } = b;\n" +
        "class Some_Log {}\nconst [first_id] = b;\n",
    },
    problems: [
      "1: Name run_id",
      "2: Name do_it",
      "2: Name node_id",
      "3: Name last_ts",
      "4: Name Some_Log",
      "5: Name first_id",
    ]
      .map((start) =>
        `bench/main.ts:${start} is not in camelCase: rename it, ` +
        "only members of documents on disk keep snake_case"
      ),
  },
  {
    name: "finds unfinished work",
    tree: {
      "bench/main.ts":
        "a(); // TODO later\n/* FIXME */\nf(() => {\n  // XXX\n});\nconst a = `${b /* TODO */}`;\n",
      "README.md": "# A\n\nTODO\n",
    },
    problems: [
      "README.md:3: Text says TODO: do it, or open an issue",
      "bench/main.ts:1: Comment says TODO: do it, or open an issue",
      "bench/main.ts:2: Comment says FIXME: do it, or open an issue",
      "bench/main.ts:4: Comment says XXX: do it, or open an issue",
      "bench/main.ts:6: Comment says TODO: do it, or open an issue",
    ],
  },
  {
    name: "finds checks silenced without a reason",
    tree: {
      "bench/main.ts": "// deno-lint-ignore-file no-console\n// deno-lint-ignore no-console --\n" +
        "// @ts-ignore\n// @ts-nocheck:\n/* @ts-expect-error */\n",
    },
    problems: [
      '1: Comment has deno-lint-ignore-file without a reason: add one after " -- "',
      '2: Comment has deno-lint-ignore without a reason: add one after " -- "',
      "3: Comment has @ts-ignore without a reason: add one after it",
      "4: Comment has @ts-nocheck without a reason: add one after it",
      "5: Comment has @ts-expect-error without a reason: add one after it",
    ].map((rest) => `bench/main.ts:${rest}`),
  },
  {
    name: "finds tests that are switched off, or switch off others",
    tree: {
      "tests/b_test.ts": 'Deno.test.ignore("a");\nDeno.test.only("b");\n' +
        "Deno.test({ ignore: true });\nt.step({ only: true });\n",
    },
    problems: ["1 Deno.test.ignore", "2 Deno.test.only", "3 ignore: true", "4 only: true"].map(
      (pair) => {
        const [, line, what] = /^(\d) (.*)$/.exec(pair)!;
        return `tests/b_test.ts:${line}: Test is switched by "${what}": let every test run, ` +
          "or ignore it on a condition";
      },
    ),
  },
  {
    name: "finds files that nothing uses, also where they use each other",
    tree: {
      "bench/a.ts": 'import "./b.ts";\n',
      "bench/b.ts": 'import "./a.ts";\n',
      "tests/_util/c.ts": "",
      "tests/store/d_pg.ts": "",
    },
    problems: ["bench/a.ts", "bench/b.ts", "tests/_util/c.ts", "tests/store/d_pg.ts"].map((path) =>
      `${path}:1: File is used by nothing: import it, name it in deno.json, or remove it`
    ),
  },
  {
    name: "finds exported functions and classes without an example",
    tree: {
      "mod.ts": 'export * from "./store/mod.ts";\n',
      "store/mod.ts": 'export { add as plus } from "./add.ts";\nexport { Log } from "./log.ts";\n',
      "store/add.ts": "/** Adds. */\nexport function add() {}\nexport function hidden() {}\n" +
        lines(60),
      "store/log.ts": `\nexport class Log {}\n${lines(60)}`,
    },
    problems: ["add.ts:2: Exported add", "log.ts:2: Exported Log"].map((start) =>
      `store/${start} has no @example: add one that runs`
    ),
  },
  {
    name: "finds blanks at the end of lines and wrong ends of files",
    tree: { "README.md": "# A \n", "docs/a.md": "a", "docs/b.md": "b\n\n", "LICENSE": "MIT\t\n" },
    problems: [
      "LICENSE:1: Line ends in white space: remove it",
      "README.md:1: Line ends in white space: remove it",
      "docs/a.md:1: File does not end with exactly one newline",
      "docs/b.md:1: File does not end with exactly one newline",
    ],
  },
  {
    name: "finds links of pages that lead nowhere, and what GitHub and the site show differently",
    tree: {
      "README.md": "# A & B\n\n[a](#a--b) [b](docs/b.md#b-1) [c](docs/) [d](mod.ts#L1)\n\n" +
        "[e](https://e.test/none)\n\n| a |\n| --- |\n| [f](docs/none.md) |\n",
      "docs/b.md": "# B\n\n## B\n\nOne\nof\n[two](../README.md#b): <b>bold</b>.\n",
    },
    problems: [
      "README.md:3: mod.ts has no heading #L1: mend the link",
      "README.md:9: There is no docs/none.md: mend the link",
      "docs/b.md:7: HTML in a page: GitHub and the site would show it differently",
      "docs/b.md:7: README.md has no heading #b: mend the link",
    ],
  },
];

Deno.test("tidy() finds nothing in a tidy tree", async () => {
  assertEquals(await problemsOf(tidy, CLEAN), []);
});

for (const { name, tree, problems } of CASES) {
  Deno.test(`tidy() ${name}`, async () => {
    assertEquals(await problemsOf(tidy, { ...CLEAN, ...tree }), problems);
  });
}

Deno.test("tidy() looks in a checkout at what git tracks or would track", async () => {
  const tree = { ".gitignore": "ignored/\n", "ignored/a.ts": "", "tests/_util/new.ts": "" };
  await withTree({ ...CLEAN, ...tree }, async (directory) => {
    await runGit(directory, ["init", "--quiet"]);
    await runGit(directory, ["add", "mod.ts", "tests/_util/b.ts"]);
    await Deno.remove(`${directory}/tests/_util/b.ts`);
    assertEquals((await tidy(directory)).map(formatProblem), [
      "tests/_util/new.ts:1: File is used by nothing: import it, name it in deno.json, or remove it",
      "tests/_util/worker.ts:1: File is used by nothing: " +
      "import it, name it in deno.json, or remove it",
    ]);
  });
});

Deno.test("tidy.ts prints each problem and exits with 1", async () => {
  assertEquals(await runTool("tidy.ts", CLEAN), { code: 0, text: "" });
  assertEquals(await runTool("tidy.ts", { ...CLEAN, "LICENSE": "MIT" }), {
    code: 1,
    text: "LICENSE:1: File does not end with exactly one newline\n",
  });
});

async function runGit(cwd: string, args: string[]): Promise<void> {
  const { success } = await new Deno.Command("git", { args, cwd, stderr: "inherit" }).output();
  assertEquals(success, true);
}
