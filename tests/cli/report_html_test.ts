/** The page of a run as a document: nothing of a record is markup or code, and nothing else runs or is loaded. */
import { assert, assertEquals } from "@std/assert";
import ts from "typescript";
import { openProject, resolveImport, valueImportsOf } from "../../_tools/_project.ts";
import type { PageData } from "../../cli/report/page_data.ts";
import { liveRunPage, liveRunsPage } from "../../cli/report/serve/live_pages.ts";
import { dataIn, makePageData, makePageNode, partsOf } from "./_page.ts";

function assertNone(text: string, pattern: RegExp): void {
  const found = pattern.exec(text);
  assert(found === null, `it has ${JSON.stringify(found?.[0])}`);
}

/** What would end a block, begin another one, or be read by the parser of a browser in any way. */
const HOSTILE = [
  "</script>",
  "<!--",
  "<script>alert(1)</script>",
  "]]>",
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  "&lt;&#60;",
  "\u2028\u2029",
  "</title></style>",
].join("");

/** The data of a page in which every text is hostile. */
function hostileData(): PageData {
  const [text, data] = [HOSTILE, makePageData({})];
  const node = makePageNode(text, { startMs: 0, endMs: 1 }, { key: text, command: text });
  const [attempt] = node.attempts;
  const output = { stream: "stderr", text, note: text } as const;
  return {
    ...data,
    run: {
      ...data.run,
      ...{ id: text, name: text, outcomeText: text, why: [text], damage: [text], output: text },
      next: [{ text, command: text }],
      about: [[text, text]],
    },
    nodes: [{
      ...node,
      about: [[text, text]],
      deferrals: [{ text, count: 1 }],
      attempts: [{ ...attempt!, text, result: text, error: [text], outputs: [output] }],
    }],
    decisions: [{ decision: text, reason: text, count: 1 }],
    waits: [{ id: text, kind: "gate", fromMs: 0, text, command: text }],
    records: [{ id: text, atMs: 0, text }],
  };
}

/** The page without what stands in its title and in its data. */
function markupOf(html: string): string {
  return html.replace(/<title>.*?<\/title>/s, "<title></title>")
    .replace(/(?<=id="data">).*?(?=<\/script>)/s, "");
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${new Uint8Array(digest).toBase64()}'`;
}

Deno.test("the policy of a page permits its script and its style, and nothing else", async () => {
  const { policy, script, style, html } = await partsOf(hostileData());
  assertEquals(policy.split("; "), [
    "default-src 'none'",
    `script-src ${await hashOf(script)}`,
    `style-src ${await hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ]);
  assert(html.indexOf("Content-Security-Policy") < html.indexOf("<style>"));
});

Deno.test("a page has no code or style in attributes, and names nothing to be loaded", async () => {
  const { html } = await partsOf(makePageData({}));
  const tags = html.replaceAll(/(?<=<(script|style)\b[^>]*>).*?(?=<\/\1>)/gs, "");
  assertNone(tags, /<[^>]*\s(on\w+|style)\s*=/i);
  assertNone(tags, /<[^>]*\s(src|srcset|action|data|poster|background)\s*=/i);
  assertEquals([...tags.matchAll(/\shref="(?!#)[^"]*"/g)].map(String), []);
  assertNone(tags, /<(link|iframe|object|embed|base|img|form)\b/i);
});

Deno.test("hostile texts change nothing of a page but the texts", async () => {
  const data = hostileData();
  const { html } = await partsOf(data);
  const harmless = await partsOf(makePageData({}));
  assertEquals(markupOf(html), markupOf(harmless.html));
  assertEquals(dataIn(html), data);
  const [, title] = /<title>(.*?)<\/title>/s.exec(html) ?? [];
  assertNone(title!, /[<>"]/);
  // What HTML reads as the end of a line, and JavaScript once did, is written out.
  assertNone(html, /[\u2028\u2029]/);
});

const live = { data: { ...makePageData({}), runs: [] }, position: "1.1" };

/** All pages there are, and the scripts of each. */
const SCRIPTS: Record<string, () => Promise<string>> = {
  "a page": async () => (await partsOf(makePageData({}))).script,
  "a live page": async () => scriptIn((await liveRunPage(live, "/events")).html),
  "the list of runs": async () => scriptIn((await liveRunsPage(live, "/events")).html),
};

Deno.test("the script of a page sets no markup and evaluates no text", async () => {
  for (const scriptOf of Object.values(SCRIPTS)) {
    const code = (await scriptOf()).replaceAll(/\/\*.*?\*\/|^\s*\/\/.*$/gms, "");
    assertNone(
      code,
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|createContextualFragment|DOMParser|setHTML|srcdoc|javascript:/,
    );
  }
});

/** Where a file stands in a script: its first comment says what it is, as no other one does. */
function placeIn(script: string, { text }: { text: string }): number {
  const [first] = /^\/\*\*.*?\*\//s.exec(text) ?? [];
  return script.indexOf(first!);
}

for (const [name, scriptOf] of Object.entries(SCRIPTS)) {
  Deno.test(`the files of the script of ${name} are one program: each stands behind what it imports, each name once`, async () => {
    const project = await openProject(`${import.meta.dirname}/../..`);
    const script = await scriptOf();
    const files = clientFiles(project).filter((file) => placeIn(script, file) !== -1);
    assert(files.length > 3);
    for (const file of files) {
      for (const { specifier } of valueImportsOf(project, file.path)) {
        const needed = project.sources.get(resolveImport(project, file.path, specifier)!)!;
        const place = placeIn(script, needed);
        assert(place !== -1, `the script lacks ${needed.path}`);
        assert(place < placeIn(script, file), `${file.path} stands before ${needed.path}`);
      }
    }
    const tree = ts.createSourceFile("page.js", script, ts.ScriptTarget.Latest, true);
    const declared = tree.statements.flatMap((statement) => {
      if (ts.isVariableStatement(statement)) {
        return statement.declarationList.declarations.map(({ name }) => name.getText());
      }
      const isNamed = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement);
      return isNamed ? [statement.name!.text] : [];
    });
    assertEquals(declared.length, new Set(declared).size, declared.toSorted().join(" "));
    assertEquals(tree.statements.filter((part) => ts.isImportDeclaration(part)).length, 0);
  });
}

Deno.test("every file for the browser is in the script of a page", async () => {
  const project = await openProject(`${import.meta.dirname}/../..`);
  const scripts = await Promise.all(Object.values(SCRIPTS).map((scriptOf) => scriptOf()));
  const unused = clientFiles(project)
    .filter((file) => scripts.every((script) => placeIn(script, file) === -1));
  assertEquals(unused.map(({ path }) => path), []);
});

function clientFiles(project: Awaited<ReturnType<typeof openProject>>) {
  return [...project.sources.values()].filter(({ path }) => path.startsWith("cli/report/client/"));
}

function scriptIn(html: string): string {
  return /<script type="module">(.*)<\/script>/s.exec(html)![1]!;
}
