/** The page about `--json` names every member that is printed, and none that is not. */

import { assertEquals } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { recoverCapture, writeCaptureBundle } from "../../capture/mod.ts";
import { openEventLog } from "../../eventlog/mod.ts";
import { runtimeDirectory } from "../../store/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, startTaffrail, taffrail } from "./_command.ts";
import { ProgramFolder } from "./_program.ts";

const PAGE = `${import.meta.dirname}/../../docs/format/command_json.md`;

/** Members that hold what others have written: what is in them is not the command's. */
const OPAQUE = ["event", "recorded", "replayed", "before", "after", "result", "data", "note"];

/** The members that the page names, by verb. */
async function documented(): Promise<Map<string, Set<string>>> {
  const sections = new Map<string, Set<string>>();
  for (const section of (await Deno.readTextFile(PAGE)).split(/^## /m).slice(1)) {
    const [title = "", ...lines] = section.split("\n");
    const names = new Set<string>();
    for (const line of lines) {
      const [, member = "", value = ""] = line.split("|");
      const name = /^ `\.?(\w+)`/.exec(member)?.[1];
      if (name === undefined) continue;
      names.add(name);
      for (const [, inner] of value.matchAll(/"([a-z_]+)"(?= \}|, ")/g)) names.add(inner!);
      if (value.includes('"Aborted":')) names.add("Aborted");
      if (value.includes('"Failed":')) names.add("Failed");
    }
    for (const [, verb] of title.matchAll(/`([\w-]+)`/g)) sections.set(verb!, names);
  }
  return sections;
}

function membersOf(value: unknown, found = new Set<string>()): Set<string> {
  if (Array.isArray(value)) { for (const item of value) membersOf(item, found); }
  else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) {
      found.add(name);
      if (!OPAQUE.includes(name)) membersOf(inner, found);
    }
  }
  return found;
}

/** What verbs print in every situation that adds a member. */
class Printed {
  readonly #cwd: string;
  readonly #members = new Map<string, Set<string>>();

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  async of(verb: string, ...args: string[]): Promise<string> {
    const { stdout, stderr } = await taffrail([verb, "--json", ...args], { cwd: this.#cwd });
    // The stdout of a command is its own.
    const isOfCommand = verb === "exec" || verb === "resume";
    const text = isOfCommand ? stderr.trimEnd().split("\n").at(-1)! : stdout;
    this.add(verb, text);
    return stderr + stdout;
  }

  add(verb: string, text: string): void {
    for (const line of text.trimEnd().split("\n")) {
      this.#members.set(verb, membersOf(JSON.parse(line), this.#members.get(verb)));
    }
  }

  get members(): Map<string, string[]> {
    return new Map(Array.from(this.#members, ([verb, names]) => [verb, [...names].toSorted()]));
  }
}

/** What needs no run. */
const BEFORE_RUNS: [string, ...string[]][] = [["init"], ["completions", "bash"]];

/** A run of which the command had the terminal. */
async function printLeft(printed: Printed, root: string): Promise<void> {
  const directory = `${root}/runs/left`;
  const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00Z", run_id: "left" };
  const event = { ...base, type: "node.completed", node_id: "a", terminal: true };
  await Deno.mkdir(directory);
  await Deno.writeTextFile(`${directory}/events.jsonl`, `${JSON.stringify(event)}\n`);
  await printed.of("show", "left");
  await Deno.remove(directory, { recursive: true });
}

async function writeFlow(cwd: string, name: string, nodes: Record<string, string>): Promise<void> {
  const entries = Object.entries(nodes).map(([id, run]) => [id, { run: ["sh", "-c", run] }]);
  const flow = {
    name,
    nodes: Object.fromEntries(entries),
    constraints: { max_in_flight: 1, max_retries: 1 },
  };
  await Deno.writeTextFile(`${cwd}/${name}.json`, JSON.stringify(flow));
}

/** What is not safe to be cut off. */
async function printDrill(printed: Printed, cwd: string): Promise<void> {
  await writeFlow(cwd, "appends", { a: "echo a >> effects" });
  await printed.of("drill", "appends.json", "--effects", "effects");
}

/** A run that waits for an answer. */
async function printGated(printed: Printed, cwd: string): Promise<void> {
  const ask = { gate: "Go?", timeout: "1h" };
  const nodes = { ask, next: { sh: "true", needs: ["ask"] }, fails: { sh: "exit 1" } };
  const gated = { name: "gated", nodes };
  await Deno.writeTextFile(`${cwd}/gated.json`, JSON.stringify(gated));
  await printed.of("run", "gated.json");
  await printed.of("show", "gated");
  await printed.of("report", "gated", "-o", "gated.html");
  await using server = startTaffrail(["report", "--serve", "--json", "gated"], { cwd });
  printed.add("report", await server.stdout.find(/./));
  await printed.of("pass", "gated", "ask");
}

/** A program that has failed, and waits for an answer. */
async function printProgram(printed: Printed, cwd: string): Promise<void> {
  const program = new ProgramFolder(cwd);
  program.plan({
    version: "1",
    ops: [
      { step: "gives", gives: 1 },
      { step: "long", big: 70_000 },
      { step: "fails", fails: 1, caught: true },
      { record: "noted", data: 1 },
      { gate: "first" },
      { gate: "second", wants: true },
    ],
    returns: 1,
  });
  await using running = program.start();
  const runId = (await running.stdout.find(/^run_id=/)).slice("run_id=".length);
  await printed.of("pass", "--by", "ada", runId, "first");
  await running.stdout.find(/^passed/);
  await printed.of("pass", "--by", "ada", "--value", "1", runId, "second");
  await using following = startTaffrail(["follow", "--json", runId], { cwd });
  printed.add("follow", await following.stdout.find(/second#2/));
  await printed.of("show", runId);
  await printed.of("logs", runId);
  await printed.of("pass", "--value", '{"by":"ada"}', runId, "second");
  await running.closeInput();
  await running.end();
  await printed.of("show", runId);
}

/** A run that goes elsewhere. */
async function printSent(printed: Printed, runId: string): Promise<void> {
  await printed.of("copy", runId, "--to", "copied");
  await printed.of("export", "--redact", runId, "-o", "run.tar.gz");
  await printed.of("import", "run.tar.gz", "--root", "sent");
  await printed.of("show", "--root", "sent", runId);
}

/** A run that makes spans, of which none is to be sent. */
async function printTraced(printed: Printed, cwd: string): Promise<void> {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://[::1]", OTEL_TRACES_SAMPLER: "always_off" };
  await taffrail(["exec", "--name", "traced", "--", "true"], { cwd, env });
  await printed.of("show", "traced");
}

/** What a limit would change about a run, and what goes otherwise in the replay of a changed recording. */
async function printShrunk(printed: Printed, cwd: string, runId: string): Promise<void> {
  await printed.of("shrink", "--max-in-flight", "0", runId);
  const { journal } = runPaths(`${cwd}/.taffrail`, runId);
  const { bundle } = await recoverCapture(journal);
  const config = { ...bundle.config, max_in_flight: 0 };
  await writeCaptureBundle(`${cwd}/changed.json`, { ...bundle, config });
  await printed.of("shrink", "changed.json");
}

const PRINTS = [printGated, printDrill, printProgram, printTraced];

Deno.test({
  name: "docs/format/command_json.md names every member that --json prints, and no other",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const root = `${cwd}/.taffrail`;
      const printed = new Printed(cwd);
      for (const [verb, ...args] of BEFORE_RUNS) await printed.of(verb, ...args);
      await writeFlow(cwd, "bad", {
        code: "test $TAFFRAIL_ATTEMPT = 1 || kill -9 $$; echo no >&2; exit 3",
        next: "true",
      });
      await writeFlow(cwd, "good", { a: "echo $$", b: "true" });
      const idIn = (text: string) => /run_id=(\S+)/.exec(text)![1]!;
      const bad = idIn(await printed.of("run", "--max-output", "1", "bad.json"));
      const good = idIn(await printed.of("run", "good.json"));
      await printed.of("exec", "--", "true");
      for (const runId of [bad, good]) await printed.of("show", runId);
      await printed.of("exec", "--name", "long", "--", "sh", "-c", "printf %070000d 1");
      for (const run of [bad, "long"]) await printed.of("logs", run);
      for (const print of PRINTS) await print(printed, cwd);

      await using live = await openEventLog<Record<string, unknown>>({ root, runId: "live" });
      await live.append({ n: 1 });
      await Deno.mkdir(`${root}/runs/empty`);
      await printed.of("ls");
      await printLeft(printed, root);
      await printed.of("show", "live");

      await Deno.mkdir(`${root}/runs/gap`);
      await Deno.writeTextFile(`${root}/runs/gap/events.jsonl`, "oops\n");
      await printed.of("follow", "gap");
      await printed.of("follow", good);
      await using all = startTaffrail(["follow", "--all", "--json"], { cwd });
      printed.add("follow", await all.stdout.find(/"run_id":"live"/));

      for (const verb of ["stop", "replay"]) await printed.of(verb, good);
      await printSent(printed, good);
      // What it prints is another time each time.
      await printed.of("replay", "--live", good);
      await printed.of("what-if", "--max-retries", "9", "--deadline", "9s", bad);
      await printShrunk(printed, cwd, bad);
      await printed.of("diff", good, bad);

      await printed.of("trace", "--replay", bad);
      const killed = await recordAndKill(cwd);
      await printed.of("show", killed);
      await printed.of("resume", killed);
      await Deno.writeTextFile(`${root}/runs/${good}/events.jsonl`, "{", { append: true });
      await Deno.writeTextFile(`${root}/runs/live/events.jsonl`, "oops\n", { append: true });
      await printed.of("verify");
      await printed.of("repair");

      await Deno.remove(`${runtimeDirectory(root, bad)}/owner.lock`);
      await Deno.mkdir(`${runtimeDirectory(root, bad)}/owner.lock`);
      await printed.of("prune", "--keep", "0");

      const pages = Array.from(await documented());
      // These print one document, and each of them a part of its members.
      const alike = ["show", "run", "exec", "resume"];
      const names = alike.flatMap((verb) => [...printed.members.get(verb)!]);
      const whole = JSON.stringify(Object.fromEntries(names.map((name) => [name, null])));
      for (const verb of alike) printed.add(verb, whole);
      assertEquals(
        Object.fromEntries(printed.members),
        Object.fromEntries(pages.map(([verb, names]) => [verb, [...names].toSorted()])),
      );
    }),
});
