import { assert, assertEquals, assertMatch } from "@std/assert";
import { buildSite } from "../../_tools/build_site.ts";
import { openProject } from "../../_tools/_project.ts";
import { layOut } from "../../_tools/site/layout.ts";
import { collectPages, groupPages, type SitePage } from "../../_tools/site/pages.ts";
import { checkSite } from "../../_tools/site/site_links.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Tree, withTree } from "./_tree.ts";

const ROOT = await Deno.realPath(`${import.meta.dirname}/../..`);

Deno.test("buildSite() builds a site of which every link leads somewhere, with guides, examples and library", async () => {
  await withTempDir(async (directory) => {
    // What is left of an earlier one.
    await Deno.mkdir(`${directory}/site`);
    await Deno.writeTextFile(`${directory}/site/old.html`, '<a href="nowhere">');
    const { files, problems } = await buildSite(ROOT, `${directory}/site`);
    assertEquals(problems, []);
    const { files: ours } = await openProject(ROOT);
    const written = ours.filter((path) => /^(docs\/.*|[^/]*)\.md$/.test(path));
    assert(written.length > 10, `${written.length} pages`);
    const start = await Deno.readTextFile(`${directory}/site/index.html`);
    for (const path of written.filter((path) => path !== "README.md")) {
      const url = path.replace(/md$/, "html");
      assert(files.includes(url), url);
      assert(start.includes(`href="${url}"`), `the start page does not list ${url}`);
    }
    for (const path of ours.filter((path) => path.startsWith("examples/"))) {
      assert(files.includes(`${path}.html`), path);
    }
    assertMatch(start, /<a href="examples\/01_event_log\.ts\.html">01<\/a>/);
    const way = await Deno.readTextFile(`${directory}/site/api/run/~/Run.html`);
    assertMatch(way, /<body><p [^>]*><a href="\.\.\/\.\.\/\.\.\/index\.html">Guides<\/a>/);
    assert(!files.includes("old.html"));
  });
});

/** The pages of a small project, by their address. */
async function pagesOf(tree: Tree): Promise<Map<string, string>> {
  return await withTree({ "deno.json": "{}", "examples/a.ts": "", ...tree }, async (root) => {
    const project = await openProject(root);
    const pages = await collectPages(project, (path) => Deno.readTextFile(`${root}/${path}`));
    const options = { pages, groups: groupPages(pages), version: "1.2.3" };
    const htmlOf = (page: SitePage): [string, string] => [page.url, layOut(page, options)];
    return new Map(Array.from(pages.values(), htmlOf));
  });
}

Deno.test("collectPages() takes whatever the pages lead to", async () => {
  const pages = await pagesOf({
    "README.md": "# A\n\n[b](docs/b.md#c-d) [e](examples) [f](#a) [g](https://g.test/)\n",
    "docs/b.md": "# B\n\n## C `d`\n\n[source](../src/a%20b.ts)\n",
    "src/a b.ts": 'const a = "<b>";\n',
    "src/other.ts": "",
    "examples/deep/c.json": "{}",
  });
  assertEquals([...pages.keys()].toSorted(), [
    "docs/b.html",
    "examples/a.ts.html",
    "examples/deep/c.json.html",
    "examples/deep/index.html",
    "examples/index.html",
    "index.html",
    "src/a b.ts.html",
  ]);
  const start = pages.get("index.html")!;
  for (const href of ["docs/b.html#c-d", "examples/index.html", "#a", "https://g.test/"]) {
    assert(start.includes(`<a href="${href}">`), start);
  }
  const guide = pages.get("docs/b.html")!;
  assertMatch(guide, /<h2 id="c-d">C <code>d<\/code>/);
  assertMatch(guide, /<a href="\.\.\/src\/a%20b\.ts\.html">source<\/a>/);
  assertMatch(guide, /<a href="\.\.\/docs\/b\.html" aria-current="page">B<\/a>/);
  assertMatch(pages.get("src/a b.ts.html")!, /&quot;&lt;b&gt;&quot;/);
  const files = new Map<string, string | null>([...pages, ["style.css", ""], [
    "api/index.html",
    "",
  ]]);
  assertEquals(checkSite(files), []);
});

Deno.test("a page shows what it is given as text", async () => {
  const pages = await pagesOf({
    "README.md": '# <a> & "b"\n\n`<script>` ![i](docs/i.svg) \n\n| `<td>` |\n| --- |\n| a\\|b |\n',
    "docs/i.svg": "<svg></svg>",
  });
  const start = pages.get("index.html")!;
  assertMatch(start, /<code>&lt;script&gt;<\/code>/);
  assertMatch(start, /<th><code>&lt;td&gt;<\/code><\/th>/);
  assertMatch(start, /<td>a\|b<\/td>/);
});

Deno.test("checkSite() finds links that lead nowhere, and what is loaded from elsewhere", () => {
  const html = `<link rel="stylesheet" href="style.css"><h1 id="a&amp;b">A</h1>
<a href="#a&amp;b">ok</a> <a href="sub/">ok</a> <a href="sub/c.html?x#d">ok</a> <a href="https://e.test/">ok</a>
<a href="#none">no</a> <a href='sub/c.html#none'>no</a> <a class="x" href="gone.html">no</a>
<script src="https://cdn.test/a.js"></script> <img alt="" src="//cdn.test/a.png"> <img src="data:image/png,">
<style>@import "https://cdn.test/b.css"; p { background: url(gone.png) }</style>`;
  const files = new Map([
    ["index.html", html],
    ["style.css", "@font-face { src: url('https://fonts.test/f.woff2') }"],
    ["sub/index.html", '<a href="..">up</a>'],
    ["sub/c.html", "<p id='d'>"],
  ]);
  assertEquals(checkSite(files), [
    "index.html: #none leads to nothing in that page",
    "index.html: sub/c.html#none leads to nothing in that page",
    "index.html: gone.html leads nowhere",
    "index.html: https://cdn.test/a.js is loaded from elsewhere",
    "index.html: //cdn.test/a.png is loaded from elsewhere",
    "index.html: https://cdn.test/b.css is loaded from elsewhere",
    "index.html: gone.png leads nowhere",
    "style.css: https://fonts.test/f.woff2 is loaded from elsewhere",
  ]);
});
