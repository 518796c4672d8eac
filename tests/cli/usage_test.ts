import { assertEquals, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../eventlog/mod.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, taffrail } from "./_command.ts";

const VERBS = [
  "run",
  "exec",
  "resume",
  "init",
  "ls",
  "show",
  "logs",
  "follow",
  "report",
  "work",
  "stop",
  "pass",
  "replay",
  "what-if",
  "shrink",
  "trace",
  "diff",
  "drill",
  "verify",
  "repair",
  "copy",
  "export",
  "import",
  "prune",
  "completions",
];
const CHOICE = VERBS.join("|");

/** What is called wrongly, and what is said about it. */
const MISTAKES: { args: string[]; says: string; flow?: unknown }[] = [
  {
    args: [],
    says: `Say what to do: taffrail ${CHOICE}; see taffrail --help`,
  },
  {
    args: ["shwo"],
    says: `There is no "shwo", did you mean show? taffrail ${CHOICE}; see taffrail --help`,
  },
  {
    args: ["folow"],
    says: `There is no "folow", did you mean follow? taffrail ${CHOICE}; see taffrail --help`,
  },
  {
    args: ["res"],
    says: `There is no "res", did you mean resume? taffrail ${CHOICE}; see taffrail --help`,
  },
  ...["prun", "prnue", "stpo", "stow", "st", "repari", "remove", "kill", "delete", "x"].map(
    (name) => {
      return {
        args: [name],
        says: `There is no "${name}": taffrail ${CHOICE}; see taffrail --help`,
      };
    },
  ),
  {
    args: ["--root", "x", "ls"],
    says: `Say what to do before "--root": taffrail ${CHOICE}; see taffrail --help`,
  },
  { args: ["ls", "--jsno"], says: "Unknown option '--jsno'; see taffrail ls --help" },
  {
    args: ["ls", "--root"],
    says: "Option '--root <value>' argument missing; see taffrail ls --help",
  },
  {
    args: ["ls", "--root="],
    says: "Cannot use --root: it is empty; name a directory",
  },
  {
    args: ["ls", "--json=1"],
    says: "Option '--json' does not take an argument; see taffrail ls --help",
  },
  { args: ["ls", "x-1"], says: "taffrail ls takes no argument; for one run, taffrail show x-1" },
  { args: ["show"], says: "taffrail show needs a run; see taffrail show --help" },
  {
    args: ["follow"],
    says: "taffrail follow needs a run, or --all; see taffrail follow --help",
  },
  { args: ["follow", "--all", "x"], says: "Give a run to taffrail follow, or --all" },
  { args: ["follow", "a", "b"], says: "taffrail follow takes one run; see taffrail follow --help" },
  {
    args: ["run", "--only", "a", "--only", "b", "x"],
    says: "Option '--only' is given twice: say all in one, names as a,b; see taffrail run --help",
  },
  {
    args: ["run", "build"],
    says: "Cannot read the flow build: there is no such file; a task is run by --tasks build",
  },
  {
    args: ["run", "--exclusive", "ci.json"],
    says: 'Cannot use --exclusive "ci.json": say wait, refuse',
  },
  {
    args: ["exec", "--name", "a", "sh", "-c", "exit 3"],
    says: "Write -- before the command: taffrail exec -- sh -c 'exit 3'",
  },
  { args: ["pass", "a"], says: "taffrail pass needs a run and a gate; see taffrail pass --help" },
  {
    args: ["shrink"],
    says: "taffrail shrink needs a run or capture file; see taffrail shrink --help",
  },
  { args: ["stop"], says: "taffrail stop needs a run; see taffrail stop --help" },
  { args: ["copy"], says: "taffrail copy needs a run; see taffrail copy --help" },
  {
    args: ["prune"],
    says:
      "Say which runs to remove: taffrail prune --older-than AGE, --keep N, --max-size SIZE or --orphans",
  },
  {
    args: ["prune", "--keep", "1", "x"],
    says: "taffrail prune takes rules, such as --older-than 30d, and no runs",
  },
  {
    args: ["prune", "--older-than", "30"],
    says: 'Cannot use --older-than "30": write a number with s, m, h, d or w, such as 7d',
  },
  {
    args: ["ls", "--state", "done"],
    says:
      'Cannot use --state "done": the states are running, suspended, completed, failed, cancelled, timed-out, unfinished, orphan, ended, unreadable, aborted, other',
  },
  { args: ["run"], says: "taffrail run needs a flow file; see taffrail run --help" },
  { args: ["run", "a", "b"], says: "taffrail run takes one flow file; see taffrail run --help" },
  { args: ["run", "gone.json"], says: "Cannot read the flow gone.json: there is no such file" },
  { args: ["run", "."], says: "Cannot read the flow .: it is a directory" },
  { args: ["run", "latin1.json"], says: "Cannot read the flow latin1.json: it is not UTF-8" },
  {
    args: ["run", "--grace", "5", "flow.json"],
    says:
      'Cannot use --grace "5": it is no duration: write a number with ms, s, m, h or d, such as "30s"',
  },
  {
    args: ["run", "--max-output", "16MB", "flow.json"],
    says:
      'Cannot use --max-output "16MB": write bytes, or a number with KiB, MiB or GiB, such as 16MiB',
  },
  {
    args: ["run", "--max-output", "0", "flow.json"],
    says: 'Cannot use --max-output "0": write a size from 1 byte to 1GiB',
  },
  {
    args: ["run", "flow.json"],
    flow: { ok: { run: ["true"] }, odd: { run: ["no-such-program"] } },
    says:
      'Cannot run flow.json: node "odd" runs "no-such-program", which is not on the PATH: install it, or write its path',
  },
  {
    args: ["run", "flow.json"],
    flow: { odd: { run: ["true"], env: { PATH: "/nowhere" } } },
    says:
      'Cannot run flow.json: node "odd" runs "true", which is not on the PATH: install it, or write its path',
  },
  {
    args: ["run", "flow.json"],
    flow: { odd: { run: ["./gone.sh"] } },
    says:
      'Cannot run flow.json: node "odd" runs "./gone.sh", which does not exist: there is no CWD/gone.sh',
  },
  {
    args: ["run", "flow.json"],
    flow: { odd: { run: ["./latin1.json"] } },
    says:
      'Cannot run flow.json: node "odd" runs "./latin1.json", which may not be run: make CWD/latin1.json executable',
  },
  {
    args: ["run", "flow.json"],
    flow: { odd: { run: ["./sub"] } },
    says: 'Cannot run flow.json: node "odd" runs "./sub", which is no file: CWD/sub',
  },
  {
    args: ["run", "flow.json"],
    flow: { odd: { run: ["true"], cwd: "gone" } },
    says:
      'Cannot run flow.json: node "odd" runs "true", but in the cwd CWD/gone, which is no directory',
  },
  {
    args: ["run", "flow.json"],
    flow: { a: { run: ["true"], needs: ["b"] }, b: { run: ["true"], needs: ["a"] } },
    says:
      'Cannot run flow.json: its nodes need each other in a cycle: "a" needs "b", "b" needs "a"; remove one of these needs',
  },
  { args: ["exec"], says: "taffrail exec needs a command: taffrail exec -- COMMAND [ARGUMENT…]" },
  {
    args: ["exec", "--"],
    says: "taffrail exec needs a command: taffrail exec -- COMMAND [ARGUMENT…]",
  },
  { args: ["exec", "ls", "a b"], says: "Write -- before the command: taffrail exec -- ls 'a b'" },
  {
    args: ["exec", "--name", "a/b", "--", "true"],
    says: "Cannot use --name \"a/b\": it may only have letters, digits, '.', '_' and '-'",
  },
  {
    args: ["work", "--root", "here"],
    says:
      "Cannot work for here: only a root in a database has something to do for others; name it by --root postgres://USER@HOST/DATABASE",
  },
  { args: ["work", "now"], says: "taffrail work takes no argument" },
  {
    args: ["work", "--root", "postgres://h/d", "--slots", "0"],
    says: 'Cannot use --slots "0": it must have one at least',
  },
  {
    args: ["work", "--root", "postgres://h/d", "--label", ""],
    says: 'Cannot use --label "": it is empty, or has control characters in it',
  },
  {
    args: ["work", "--root", "postgres://h/d", "--lease", "1s"],
    says: 'Cannot use --lease "1s": it is too short to be renewed in time: 2.0s is the least',
  },
  {
    args: ["work", "--root", "postgres://h/d", "--cwd", "gone"],
    says: 'Cannot use --cwd "gone": there is no such folder',
  },
  {
    args: ["work", "--root", "postgres://h/d", "--env-file", "gone"],
    says: "taffrail work has the env_file CWD/gone, which does not exist",
  },
  {
    args: ["exec", "--timeout", "0s", "--", "true"],
    says: "Cannot use --timeout 0: it leaves no time",
  },
];

for (const { args, flow, says } of MISTAKES) {
  const shown = [...args, ...(flow === undefined ? [] : [JSON.stringify(flow)])].join(" ");
  Deno.test(`taffrail ${shown} exits with 2, says what to do, and records nothing (ORN-7)`, async () => {
    await withTempDir(async (cwd) => {
      await Deno.writeFile(`${cwd}/latin1.json`, Uint8Array.of(0x22, 0xe9, 0x22), { mode: 0o644 });
      await Deno.mkdir(`${cwd}/sub`);
      const nodes = flow ?? { a: { run: ["true"] } };
      await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "flow", nodes }));
      const { code, stdout, stderr } = await ask(args, cwd);
      assertEquals(
        { code, stdout, stderr: stderr.replaceAll(cwd, "CWD") },
        { code: 2, stdout: "", stderr: `${says}\n` },
      );
      assertEquals(namesIn(cwd), ["flow.json", "latin1.json", "sub"]);
    });
  });
}

Deno.test("taffrail ends as a process with the exit code of a mistake", async () => {
  assertEquals((await taffrail(["shwo"], { cwd: Deno.cwd() })).code, 2);
});

Deno.test("taffrail --version prints the version of the package", async () => {
  const { code, stdout } = await taffrail(["--version"], { cwd: Deno.cwd() });
  assertEquals({ code, stdout }, { code: 0, stdout: `taffrail ${VERSION}\n` });
});

Deno.test("taffrail --help names every verb and only those, in 80 columns", async () => {
  const { code, stdout } = await taffrail(["--help"], { cwd: Deno.cwd() });
  assertEquals(code, 0);
  const named = stdout.split("\n").flatMap((line) => /^ {2}([a-z-]+) /.exec(line)?.[1] ?? []);
  assertEquals(named.filter((name) => name !== "taffrail"), VERBS);
  assertFits(stdout);
});

for (const verb of VERBS) {
  Deno.test(`taffrail ${verb} --help tells its options and what --json prints, in 80 columns`, async () => {
    const { code, stdout } = await ask([verb, "--help"], Deno.cwd());
    assertEquals(code, 0);
    assertStringIncludes(stdout, `Usage: taffrail ${verb} [options]`);
    for (const option of ["--root ROOT", "--json", "--help"]) assertStringIncludes(stdout, option);
    assertFits(stdout);
  });
}

function assertFits(text: string): void {
  assertEquals(text.split("\n").filter((line) => line.length > 80), []);
}

Deno.test("taffrail run exits with 1 when its root cannot be", async () => {
  await withTempDir(async (cwd) => {
    const flow = { name: "flow", nodes: { a: { run: ["true"] } } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const args = ["run", "--root", "flow.json/x", "flow.json"];
    const { code, stdout, stderr } = await taffrail(args, { cwd });
    assertEquals({ code, stdout }, { code: 1, stdout: "" });
    assertStringIncludes(stderr, "Cannot create flow.json/x: Not a directory");
    assertStringIncludes(stderr, "choose another --root");
  });
});
