/** What `--help=man` prints, looked at by those who show man pages. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { VERSION } from "../../eventlog/mod.ts";
import { allOptions } from "../../cli/help/help_text.ts";
import { verbPage } from "../../cli/help/man_page.ts";
import { hasProgram } from "../_util/process.ts";
import { withTempDir } from "../_util/temp.ts";
import { ask, start } from "./_command.ts";
import { VERB_NAMES } from "./_verbs.ts";

async function pageOf(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await ask([...args, "--help=man"], Deno.cwd());
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return stdout;
}

const pages = new Map([["taffrail", await pageOf([])]]);
for (const verb of VERB_NAMES) pages.set(`taffrail-${verb}`, await pageOf([verb]));

const sectionsOf = (page: string) => page.match(/^\.SH .*$/gm)!.map((line) => line.slice(4));

/** A page as it is read, without the marks for bold. */
const plain = (page: string) => {
  return page.replaceAll(/\\f[BR]/g, "").replaceAll("\\-", "-").replaceAll(/\s+/g, " ");
};

Deno.test("taffrail VERB --help=man has the sections and all options of the verb", async () => {
  const { logsVerb } = await import("../../cli/verbs/logs.ts");
  const page = pages.get("taffrail-logs")!;
  assertMatch(
    page,
    new RegExp(`^\\.TH TAFFRAIL\\\\-LOGS 1 \\d{4}-\\d\\d-\\d\\d "taffrail ${VERSION}"`),
  );
  assertStringIncludes(page, `.SH NAME\ntaffrail\\-logs \\- ${logsVerb.summary}\n`);
  assertStringIncludes(page, ".SH SYNOPSIS\ntaffrail logs [options] RUN [NODE]\n");
  assertStringIncludes(page, ".TP\n\\fB\\-f\\fR, \\fB\\-\\-follow\\fR\n");
  assertStringIncludes(page, ".TP\n\\fB\\-\\-tail\\fR N\n");
  const sections = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", '"EXIT STATUS"', "JSON"];
  assertEquals(sectionsOf(page), [...sections, '"SEE ALSO"']);
  for (const { text } of Object.values(allOptions(logsVerb.help))) {
    assertStringIncludes(plain(page), text);
  }
});

Deno.test("taffrail --help=man has a section of each verb", () => {
  const page = pages.get("taffrail")!;
  const verbs = Array.from(page.matchAll(/^\.SS "taffrail (.*)"$/gm), ([, name]) => name!);
  assertEquals(verbs.map((name) => name.replaceAll("\\-", "-")), VERB_NAMES);
  assertStringIncludes(plain(page), "TAFFRAIL_ROOT");
});

Deno.test("a man page says what roff would take for something else", () => {
  const about = ".SH is 'no' heading\n\n'twas \\fB~^`-x\n  .nf\n  'a";
  const page = verbPage("x", { summary: "do it …", help: { about, exitCodes: "✓ 0" } });
  assertStringIncludes(
    page,
    "\n\\&.SH is \\(aqno\\(aq heading\n.PP\n\\(aqtwas \\efB\\(ti\\(ha\\(ga\\-x\n",
  );
  assertStringIncludes(page, "\n.nf\n  .nf\n  \\(aqa\n.fi\n");
  assertStringIncludes(page, "\\- do it ...\n");
  assertStringIncludes(page, "\n\\[u2713] 0\n");
});

Deno.test("man pages are ASCII in lines that a person can read", () => {
  for (const [name, page] of pages) {
    assertMatch(page, /^[\x20-\x7e\n]*$/, name);
    const long = page.split("\n").filter((line) => line.length > 100);
    assertEquals(long, [], name);
  }
});

Deno.test("taffrail --help=FORM refuses any other form", async () => {
  for (const args of [["--help=html"], ["ls", "--help="], ["help", "--help=1"]]) {
    const { code, stdout, stderr } = await ask(args, Deno.cwd());
    const given = args.at(-1)!.slice("--help=".length);
    const says = `Cannot use --help "${given}": say man, or only --help\n`;
    assertEquals({ code, stdout, stderr }, { code: 2, stdout: "", stderr: says });
  }
});

/** What looks at man pages, and how it is told to say all that is wrong. */
const READERS: [program: string, ...args: string[]][] = [
  ["mandoc", "-Tlint", "-Wwarning"],
  ["groff", "-man", "-ww", "-z"],
  ["groff", "-man", "-ww", "-z", "-Tutf8"],
  ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
];

for (const [program, ...args] of READERS) {
  const name = `${[program, ...args].join(" ")} has nothing to say of the man pages`;
  Deno.test({ name, ignore: !hasProgram(program) }, async () => {
    await withTempDir(async (cwd) => {
      for (const [page, text] of pages) {
        await Deno.writeTextFile(`${cwd}/${page}.1`, text);
        await using reader = start(program, [...args, `${page}.1`], { cwd });
        const { code, stdout, stderr } = await reader.end();
        const said = program === "mandoc" ? stdout + stderr : stderr;
        assertEquals({ code, said }, { code: 0, said: "" }, page);
      }
    });
  });
}
