/** What the README shows of the command, run as it stands there. */
import { assert, assertEquals } from "@std/assert";
import { parsePage } from "../../_tools/markdown.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, start, startTaffrail, taffrail } from "./_command.ts";
import { VERB_NAMES } from "./_verbs.ts";

const README = await Deno.readTextFile(`${import.meta.dirname}/../../README.md`);

const { blocks } = parsePage(README);

/** The blocks of the README in a language, in order. */
function blocksOf(language: string): string[] {
  return blocks.filter((block) => block.language === language).map(({ text }) => text);
}

/** The commands of a console block, each with what it prints. */
function commandsIn(block: string): { args: string[]; printed: string }[] {
  return block.split(/^\$ taffrail /m).slice(1).map((text) => {
    const [command = "", ...lines] = text.split("\n");
    return { args: command.split(" "), printed: lines.join("\n") };
  });
}

/** The same but for what is another one each time: ids, times, sizes, processes, and widths of columns. */
function comparable(text: string): string {
  return text
    .replaceAll(/-01[0-9a-z]{24}/g, "-ID")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "WHEN")
    .replaceAll(/\b\d+(\.\d+)?(ms|s)\b/g, "TIME")
    .replaceAll(/\b\d+(\.\d+)?[KM]?i?B\b/g, "SIZE")
    .replaceAll(/\bprocess(es)? \d+(, \d+)*/g, "processes N")
    .replaceAll(/ +/g, " ").replaceAll(/ $/gm, "").trim();
}

const [program, nightly, killed] = blocksOf("console").filter((block) =>
  block.includes("$ taffrail")
);

Deno.test("the flow of the README prints what stands there", async () => {
  await withTempDir(async (cwd) => {
    const flow = blocksOf("json").find((text) => text.includes('"nightly"'))!;
    await Deno.writeTextFile(`${cwd}/nightly.flow.json`, flow);
    const [{ args, printed } = { args: [], printed: "" }] = commandsIn(nightly!);
    assertEquals(args, ["run", "nightly.flow.json"]);
    const { code, stdout } = await taffrail(args, { cwd });
    assertEquals(code, 1);
    assertEquals(comparable(stdout), comparable(printed));
  });
});

Deno.test("a killed flow goes on as the README shows it", { ignore: !HAS_SIGNALS }, async () => {
  await withTempDir(async (cwd) => {
    const sh = (run: string) => ["sh", "-c", run];
    const nodes = {
      fetch: { run: sh("echo fetched >>effects") },
      build: { run: sh("sleep 2; echo built >>effects"), needs: ["fetch"] },
      test: { run: sh("echo tested >>effects"), needs: ["build"] },
    };
    await Deno.writeTextFile(`${cwd}/long.json`, JSON.stringify({ name: "long", nodes }));
    {
      await using running = startTaffrail(["run", "long.json"], { cwd });
      await running.stdout.find(/^▸ build/);
      running.kill("SIGKILL");
      await running.end();
    }
    const shown = commandsIn(killed!);
    assertEquals(shown.map(({ args }) => args[0]), ["ls", "resume"]);
    for (const { args, printed } of shown) {
      const { code, stdout, stderr } = await taffrail(args, { cwd });
      assertEquals(code, 0, stderr);
      const lines = comparable(`${stdout}\n${stderr}`).split("\n");
      // What goes to stderr stands where it was printed.
      const missing = comparable(printed).split("\n").filter((line) => !lines.includes(line));
      assertEquals(missing, [], `${stdout}\n${stderr}`);
    }
    assertEquals(await Deno.readTextFile(`${cwd}/effects`), "fetched\nbuilt\ntested\n");
  });
});

const PROGRAM = blocksOf("ts").find((text) => text.startsWith("// import.ts\n"))!;

/** The commands of a console block, of any program, each with what it prints. */
function linesAt(block: string): { command: string[]; printed: string }[] {
  return block.split(/^\$ /m).slice(1).map((text) => {
    const [command = "", ...lines] = text.split("\n");
    return { command: command.split(" "), printed: comparable(lines.join("\n")) };
  });
}

Deno.test("the program of the README is killed and goes on as it shows", {
  ignore: !HAS_SIGNALS,
}, async () => {
  await withTempDir(async (cwd) => {
    const run = import.meta.resolve("../../run/mod.ts");
    const imports = { "@taffrail/taffrail/run": run };
    await Deno.writeTextFile(`${cwd}/deno.json`, JSON.stringify({ imports }));
    await Deno.writeTextFile(`${cwd}/import.ts`, PROGRAM);
    const [first, second, show] = linesAt(program!);
    assertEquals(second!.command, first!.command);
    // Killed where the work of its second file is done, and its end is not yet recorded.
    const at = { line: '"type":"completion"' };
    const KILLED_AT = JSON.stringify({ file: "capture.jsonl", at, nth: 3, how: "before" });
    const preload = import.meta.resolve("../_util/killed_at.ts");
    const [, ...words] = first!.command;
    const killed = ["run", "--quiet", "--allow-all", `--preload=${preload}`, words.at(-1)!];
    await using begun = start(Deno.execPath(), killed, { cwd, env: { KILLED_AT } });
    const { signal, stdout } = await begun.end();
    assertEquals([signal, comparable(stdout)], ["SIGKILL", first!.printed.replace("\nKilled", "")]);

    await using goesOn = start(Deno.execPath(), words, { cwd });
    const { code, stdout: rest } = await goesOn.end();
    assertEquals([code, comparable(rest)], [0, second!.printed]);
    const shown = await taffrail(show!.command.slice(1), { cwd });
    assertEquals(comparable(shown.stdout), show!.printed);
  });
});

Deno.test("the README names every verb", () => {
  assert(VERB_NAMES.length > 10);
  assertEquals(VERB_NAMES.filter((verb) => !README.includes(`| \`taffrail ${verb}`)), []);
});
