/** What SECURITY.md says is shown by tests that are there. */
import { assert, assertEquals } from "@std/assert";
import { parsePage } from "../../_tools/markdown.ts";

const ROOT = new URL("../../", import.meta.url);

/** What a row of SECURITY.md claims, and the tests that it names, each by its file and a part of its name. */
function claimsIn(page: string): { claim: string; shown: { path: string; names: string[] }[] }[] {
  const tables = parsePage(page).tokens.filter((token) => token.type === "table")
    .filter(({ header }) => header[1]?.text === "Shown by");
  return tables.flatMap(({ rows }) => rows).map(([claim, proof]) => ({
    claim: claim!.text,
    shown: proof!.text.split(/(?=\[)/).map((part) => ({
      path: /\]\((.*?)\)/.exec(part)?.[1] ?? part,
      names: Array.from(part.matchAll(/"([^"]+)"/g), ([, name]) => name!),
    })),
  }));
}

/** What is wrong with what a claim rests on. */
function problemsOf({ claim, shown }: ReturnType<typeof claimsIn>[number]): string[] {
  return shown.flatMap(({ path, names }) => {
    if (!/^tests\/.*_(test|pg|browser)\.ts$/.test(path)) {
      return [`${claim}: ${path} is no file of tests`];
    }
    const text = readIfThere(path);
    if (text === undefined) return [`${claim}: there is no ${path}`];
    const missing = names.filter((name) => !hasTest(text, name));
    return missing.map((name) => `${claim}: ${path} has no test "${name}"`);
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(new URL(path, ROOT));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Whether a text between quotes has all parts of a name, of which "…" stands for what is filled in. */
function hasTest(text: string, name: string): boolean {
  const parts = name.split("…").map((part) => RegExp.escape(part));
  return new RegExp(`(["\`])[^\\n]*${parts.join("\\$\\{.*\\}")}[^\\n]*\\1`).test(text);
}

Deno.test("SECURITY.md names tests for all that it says is defended, and they are there", () => {
  const claims = claimsIn(Deno.readTextFileSync(new URL("SECURITY.md", ROOT)));
  assert(claims.length > 25, `${claims.length} claims`);
  assertEquals(claims.flatMap(problemsOf), []);
});

Deno.test("a claim of SECURITY.md that rests on nothing is found", () => {
  const page = `| What holds | Shown by |
| --- | --- |
| A | [a](tests/_tools/security_test.ts) "a claim of SECURITY.md that … nothing is found" |
| B | [b](tests/none_test.ts) |
| C | [c](README.md) |
| D | by reading |

| Other | Table |
| --- | --- |
| E | F |
`;
  assertEquals(claimsIn(page).flatMap(problemsOf), [
    'A: tests/_tools/security_test.ts has no test "a claim of SECURITY.md that … nothing is found"',
    "B: there is no tests/none_test.ts",
    "C: README.md is no file of tests",
    "D: by reading is no file of tests",
  ]);
  const whole = page.replace("that … nothing", "that rests on nothing");
  assertEquals(claimsIn(whole).flatMap(problemsOf).length, 3);
});
