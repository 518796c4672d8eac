/** Command lines as people complete them: real shells, in a terminal, with keys. */
import { assert, assertEquals } from "@std/assert";
import { durable } from "../../run/mod.ts";
import { isThere, namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { start, startTaffrail } from "./_command.ts";
import { ALL, canDrive, scriptFor, type Shell, SHELLS, ShellSession } from "./_shells.ts";

/** What a name of a step, a task or a run of somebody else may be; `hacked` would be there if it were evaluated. */
const HOSTILE = [
  "$(touch hacked)",
  "`touch hacked`",
  "a;touch hacked",
  "b&touch hacked",
  "c|touch hacked",
  ">hacked",
  "{d,e}",
  "*",
  "~root",
  "#f",
  'it\'s "quoted"',
  "g\\h",
  "!!",
  "i  j",
  "k:l@m/n=o",
  "été ✓",
];

const FLOW = {
  name: "ci",
  nodes: {
    "@scope/pkg:build": { run: ["true"] },
    "@scope/pkg:test": { run: ["false"], needs: ["@scope/pkg:build"] },
    ask: { gate: "Deploy $(touch hacked)?" },
    deploy: { run: ["true"], needs: ["ask"] },
  },
};

/** Makes what a test looks at in `work`: a run of a flow, one of a program, one of somebody else, and tasks. */
async function makeWork(directory: string): Promise<void> {
  const work = `${directory}/work`;
  await Deno.mkdir(`${work}/sub dir`, { recursive: true });
  await Deno.writeTextFile(`${work}/ci.flow.json`, JSON.stringify(FLOW));
  const tasks = Object.fromEntries(
    HOSTILE.filter((name) => !name.includes(",")).map((name) => [
      name,
      "true",
    ]),
  );
  await Deno.writeTextFile(
    `${work}/deno.json`,
    JSON.stringify({ tasks: { build: "true", ...tasks } }),
  );
  await using run = startTaffrail(["run", "ci.flow.json"], { cwd: work });
  await run.end();
  const root = `${work}/.taffrail`;
  await durable({ root, runId: "steps-1", name: "steps" }, async (run) => {
    for (const name of [...HOSTILE, "new\nline", "\x1b[31mred", "--option"]) {
      await run.step(name, () => 1);
    }
  });
  const foreign = `${root}/runs/theirs $(touch hacked)`;
  await Deno.mkdir(foreign);
  await Deno.writeTextFile(`${foreign}/events.jsonl`, '{"a":1}\n');
}

/** What people type, and what the command is then called with; `=` and a blank say the same. */
const LINES: [typed: string, called: string[]][] = [
  ["taffrail sho\t", ["show"]],
  ["taffrail help dri\t", ["help", "drill"]],
  ["taffrail ls --sta\tfai\t", ["ls", "--state", "failed"]],
  ["taffrail ls --state=running,fai\t", ["ls", "--state", "running,failed"]],
  ["taffrail run --outp\tlab\t", ["run", "--output", "labelled"]],
  ["taffrail completions zs\t", ["completions", "zsh"]],
  ["taffrail run ci.fl\t", ["run", "ci.flow.json"]],
  ["taffrail run ci.flow.json --only @scope/pkg:b\t", [
    "run",
    "ci.flow.json",
    "--only",
    "@scope/pkg:build",
  ]],
  ["taffrail run ci.flow.json --skip=ask,@scope/pkg:t\t", [
    "run",
    "ci.flow.json",
    "--skip",
    "ask,@scope/pkg:test",
  ]],
  ["taffrail run --tasks bui\t", ["run", "--tasks", "build"]],
  ["taffrail logs --tail 3 ste\t g\\\\\t", ["logs", "--tail", "3", "steps-1", "g\\h"]],
  ["taffrail logs ci @scope/pkg:t\t", ["logs", "ci", "@scope/pkg:test"]],
  ["taffrail pass ci a\t", ["pass", "ci", "ask"]],
  ["taffrail verify ci ste\t", ["verify", "ci", "steps-1"]],
  ["taffrail export -o su\t steps-\t", ["export", "-o", "sub dir", "steps-1"]],
  ["taffrail import ci.fl\t", ["import", "ci.flow.json"]],
  ["taffrail copy steps --to su\t", ["copy", "steps", "--to", "sub dir"]],
  ["taffrail show --root .taff\t steps-\t", ["show", "--root", ".taffrail", "steps-1"]],
  ["taffrail show --root=sub\\ dir/../.taffrail ste\t", [
    "show",
    "--root",
    "sub dir/../.taffrail",
    "steps-1",
  ]],
  ["taffrail logs --root 'sub dir/../.taffrail' ci @scope/pkg:t\t", [
    "logs",
    "--root",
    "sub dir/../.taffrail",
    "ci",
    "@scope/pkg:test",
  ]],
  ["taffrail exec -- taffra\t ls", ["exec", "--", "taffrail", "ls"]],
  ["taffrail drill ci.flow.json -- ci.fl\t", ["drill", "ci.flow.json", "--", "ci.flow.json"]],
  ["taffrail show theirs\t", ["show", "theirs $(touch hacked)"]],
  ["taffrail show 'theirs\t", ["show", "theirs $(touch hacked)"]],
  ['taffrail show "theirs\t', ["show", "theirs $(touch hacked)"]],
];

/** `--name=value` as two words, and without the end that a shell leaves for what may follow. */
function comparable(args: string[]): string[] {
  return args.flatMap((arg) => /^--[a-z-]+=/.test(arg) ? arg.split(/=(.*)/s).slice(0, 2) : [arg])
    .map((arg) => arg.replace(/[,/]$/, ""));
}

function shellTest(shell: Shell, name: string, fn: (session: ShellSession) => Promise<void>): void {
  Deno.test(`${name} (needs ${shell})`, { ignore: !canDrive(shell) }, async () => {
    await withTempDir(async (directory) => {
      await makeWork(directory);
      await using session = await ShellSession.start(shell, directory);
      await fn(session);
      const made = [".taffrail", "ci.flow.json", "deno.json", "sub dir"];
      assertEquals(namesIn(`${directory}/work`), made);
    });
  });
}

for (const shell of SHELLS) {
  shellTest(shell, `TAB completes command lines in ${shell}`, async (session) => {
    for (const [typed, called] of LINES) {
      assertEquals(comparable(await session.type(typed)), called, JSON.stringify(typed));
    }
  });
}

for (const shell of ["bash", "zsh"] as const) {
  shellTest(
    shell,
    `${shell} quotes names whatever is in them, and evaluates none`,
    async (session) => {
      const steps = await session.type(`taffrail logs steps-1 ${ALL}`);
      assertEquals(steps.toSorted(), ["logs", "steps-1", ...HOSTILE].toSorted());
      const tasks = await session.type(`taffrail run --tasks ${ALL}`);
      const names = HOSTILE.filter((name) => !name.includes(","));
      assertEquals(comparable(tasks).toSorted(), ["run", "--tasks", "build", ...names].toSorted());
    },
  );
}

shellTest("fish", "fish quotes names whatever is in them, and evaluates none", async (session) => {
  for (const name of HOSTILE) {
    // As much of it as tells it from others.
    const begin = [...name].slice(0, 2).map((sign) => /[\wé]/.test(sign) ? sign : `\\${sign}`);
    const called = await session.type(`taffrail logs steps-1 ${begin.join("")}\t`);
    assertEquals(called, ["logs", "steps-1", name]);
  }
});

for (const shell of SHELLS) {
  const name = `taffrail completions ${shell} prints a script without errors (needs ${shell})`;
  Deno.test(name, { ignore: !canDrive(shell) }, async () => {
    await withTempDir(async (cwd) => {
      await Deno.writeTextFile(`${cwd}/script`, await scriptFor(shell));
      await using checked = start(shell, ["-n", "script"], { cwd });
      const { code, stdout, stderr } = await checked.end();
      assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
    });
  });
}

Deno.test("fish tells what verbs, options and runs are (needs fish)", {
  ignore: !canDrive("fish"),
}, async () => {
  await withTempDir(async (directory) => {
    await makeWork(directory);
    const cwd = `${directory}/work`;
    await using session = await ShellSession.start("fish", directory);
    for (
      const [line, offered] of [
        ["taffrail sho", "show\tshow one run: its nodes, and the end of what a failed one printed"],
        ["taffrail logs --ta", "--tail\tonly the last N lines of what is there"],
        ["taffrail logs steps-1 k", "k:l@m/n=o\tcompleted"],
        ["taffrail pass ci ", "ask\tDeploy $(touch hacked)?"],
      ]
    ) {
      assertEquals(await session.type(`taffrail (complete -C '${line}')`), [offered]);
    }
    assertEquals(isThere(`${cwd}/hacked`), false);
  });
});

/** What the function for bash offers where bash knows no options of a completion, as 3.2 does not. */
async function replies(words: string[], directory: string): Promise<string[]> {
  const script = `${directory}/taffrail.bash`;
  await Deno.writeTextFile(script, await scriptFor("bash"));
  const text = `source '${script}'
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*"
COMP_POINT=\${#COMP_LINE}
_taffrail taffrail
printf '%s\\n' "\${COMPREPLY[@]}"`;
  await using bash = start("bash", ["-c", text, "bash", "taffrail", ...words], {
    cwd: `${directory}/work`,
    env: { HOME: directory },
  });
  const { code, stdout, stderr } = await bash.end();
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout.trimEnd().split("\n");
}

Deno.test("the function for bash quotes files where bash does not (needs bash)", {
  ignore: !canDrive("bash"),
}, async () => {
  await withTempDir(async (directory) => {
    await makeWork(directory);
    assertEquals(await replies(["st"], directory), ["stop"]);
    assertEquals(await replies(["copy", "x", "--to", "su"], directory), ["sub\\ dir"]);
    assertEquals(await replies(["copy", "x", "--to", "'su"], directory), ["sub dir"]);
    assertEquals(await replies(["copy", "x", "--to", "~/wo"], directory), ["~/work"]);
    assertEquals(await replies(["run", "c"], directory), ["ci.flow.json"]);
    assertEquals(await replies(["ls", "--state", "ended,fa"], directory), ["ended,failed"]);
    const verbs = await replies([""], directory);
    assert(verbs.includes("completions"), verbs.join());
  });
});
