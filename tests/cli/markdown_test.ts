/** A run as Markdown: a table and blocks, whatever its records say, and as long as it may be. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { micromark } from "micromark";
import { gfm, gfmHtml } from "micromark-extension-gfm";
import { runMarkdown } from "../../cli/report/markdown.ts";
import type { PageRun } from "../../cli/report/page_data.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { nodeOf, pageOf, printed } from "./_page_data.ts";

const MOST = { mostBytes: 1024 * 1024 };

/** The document as it is shown by what knows tables, links without brackets, and HTML in all of it. */
function htmlOf(markdown: string): string {
  return micromark(markdown, {
    allowDangerousHtml: true,
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
  });
}

/** The tags in it, each once, and what stands in no code: nothing there is anybody else's word. */
function partsOf(html: string): { tags: string[]; ours: string } {
  const ours = html.replaceAll(/<(code|pre)\b[^>]*>[^]*?<\/\1>/g, "…");
  const tags = new Set(html.match(/<[a-z!][^>]*>/gi));
  return { tags: [...tags].toSorted(), ours: ours.replaceAll(/<[^>]*>/g, "") };
}

const FAILED: Partial<PageRun> = {
  why: ["bad failed"],
  next: [{ text: "go on with it", command: "taffrail resume flow-1", isFirst: true }],
};

Deno.test("it says what became of a run, of its nodes, and what failed ones printed", () => {
  const markdown = runMarkdown(
    pageOf([
      nodeOf({ id: "fine", state: "completed" }),
      nodeOf({ id: "bad", state: "failed" }, {
        outputs: [
          { stream: "stderr", text: "no end\n```\nat a.ts" },
          { stream: "stdout", text: "out", note: "its end only" },
        ],
      }),
      nodeOf({ id: "may", state: "failed", mayFail: true }),
      nodeOf({ id: "left", state: "skipped", text: "skipped: needs bad, which failed" }),
      nodeOf({ id: "later", state: "pending" }),
    ], FAILED),
    MOST,
  );
  assertEquals(
    markdown,
    `## ❌ \`flow\` failed

\`bad failed\`

5 nodes: 1 completed, 1 failed, 1 failed and may, 1 skipped, 1 not started in 1.5s, begun 2026-11-30T00:00:00Z, run \`flow-1\`

To go on with it: \`taffrail resume flow-1\`

| | Node | State | Time | Attempts |
|-|-|-|-:|-:|
| ✅ | \`fine\` | \`completed\` | 250ms |  |
| ❌ | \`bad\` | \`failed, exit code 1\` | 250ms |  |
| ⚠️ | \`may\` | \`failed, exit code 1, which it may\` | 250ms |  |
| ⏭️ | \`left\` | \`needs bad, which failed\` |  |  |
| ⏸️ | \`later\` | \`not started\` |  |  |

<details>
<summary>❌ <code>bad</code> <code>failed, exit code 1</code></summary>

stderr:

\`\`\`\`text
no end
\`\`\`
at a.ts
\`\`\`\`

stdout (its end only):

\`\`\`text
out
\`\`\`

</details>

⚠️ <code>may</code> <code>failed, exit code 1, which it may</code>

`,
  );
});

Deno.test("a completed run has nothing to go on with, and a step that its program caught is no failure", () => {
  const markdown = runMarkdown(
    pageOf([nodeOf({ id: "a", state: "failed" })], {
      kind: "program",
      outcome: "completed",
      outcomeText: "completed",
      next: [{ text: "all that was printed", command: "taffrail logs flow-1" }],
    }),
    MOST,
  );
  assertMatch(markdown, /^## ✅ `flow` completed\n\n1 step: 1 failed and may in /);
  assertStringIncludes(markdown, "| ⚠️ | `a` | `failed, exit code 1, and its program went on` |");
  assertEquals(markdown.includes("taffrail"), false);
});

/** Names and lines that mean something in Markdown, in HTML, or to GitHub. */
const HOSTILE = [
  ...["|", "\\|", "\\\\|", "`", "``", "```", "` |", "~~~", "\\`", "&lt;", "&#64;x", "*b*", "__b__"],
  ...["<script>alert(1)</script>", "<img src=x onerror=y>", "</code>", "</details>", "<!--", "-->"],
  ...[
    "[l](http://x.y)",
    "![i](x)",
    "http://x.y",
    "www.x.y",
    "a@b.cd",
    "@user",
    "#1",
    "GH-1",
    "o/r#1",
  ],
  ...[
    ":smile:",
    "$x^2$",
    "\n\n# h",
    "\n> q",
    "\n| a |\n|-|",
    "\t",
    " ",
    "\u2028",
    "\ud800",
    "a",
    "[^1]",
  ],
];

Deno.test("nothing that is recorded is a tag, a link or a cell: it stands in code as it is", () => {
  const random = new Random(seed());
  const text = () => {
    return Array.from({ length: 1 + random.below(6) }, () => random.pick(HOSTILE)).join("");
  };
  for (let round = 0; round < longCount(300, 5000); round++) {
    const nodes = Array.from({ length: 3 }, () => {
      const [id, how, output, error] = [`n${text()}`, `t${text()}`, `o${text()}`, `e${text()}`];
      return nodeOf({ id, state: "failed", text: how }, { ...printed(output), error: [error] });
    });
    const run = { why: [`w${text()}`], name: `f${text()}`, damage: [`d${text()}`] };
    const markdown = runMarkdown(pageOf(nodes, { ...FAILED, ...run }), MOST);
    const html = htmlOf(markdown);
    const { tags, ours } = partsOf(html);
    assertEquals(
      tags,
      ['<code class="language-text">', "<code>", "<details>", "<h2>", "<p>", "<pre>", "<summary>"]
        .concat(["<table>", "<tbody>", '<td align="right">', "<td>", '<th align="right">', "<th>"])
        .concat(["<thead>", "<tr>"]).toSorted(),
      markdown,
    );
    assertEquals(html.match(/<td[ >]/g)!.length, 3 * 5, markdown);
    assertEquals(html.match(/<details>/g)!.length, 3);
    const words = ours.replaceAll(/\s+/g, " ").trim();
    assertEquals(
      words,
      "❌ … failed … 3 nodes: 3 failed in 1.5s, begun 2026-11-30T00:00:00Z, run … ⚠️ … " +
        "To go on with it: … Node State Time Attempts ❌ … … 250ms ❌ … … 250ms ❌ … … 250ms " +
        Array(3).fill("❌ … … stderr: …").join(" "),
      markdown,
    );
  }
});

Deno.test("code says what is recorded, but for a backslash before a bar in a table", () => {
  const ids = ["a|b", "`", "``x`", "@user", "<b>&amp;", "x\\", "a ` b"];
  const nodes = ids.map((id) => nodeOf({ id, state: "completed" }));
  const html = htmlOf(runMarkdown(pageOf(nodes), MOST));
  const shown = Array.from(html.matchAll(/<td><code>([^]*?)<\/code><\/td>/g), ([, text]) => {
    return text!.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
  });
  assertEquals(shown.filter((_, index) => index % 2 === 0), ids);
});

Deno.test("it is no longer than it may be, and says what there was no room for", () => {
  const nodes = Array.from({ length: 20_000 }, (_, index) => {
    return nodeOf({ id: `node-${index}-ä`, state: "failed" }, printed("é`".repeat(2000)));
  });
  for (const mostBytes of [8 * 1024, 50_000, 1024 * 1024]) {
    const markdown = runMarkdown(pageOf(nodes), { mostBytes });
    const { length } = new TextEncoder().encode(markdown);
    assert(length <= mostBytes, `${length} of ${mostBytes}`);
    assertStringIncludes(markdown, "`node-0-ä`");
    assertMatch(markdown, /_There was no room for all of it: .*_\n\n$/);
    const html = htmlOf(markdown);
    assertEquals(html.split("<details>").length, html.split("</details>").length);
  }
  const long = runMarkdown(pageOf(nodes), MOST);
  assertStringIncludes(long, "and 19700 more nodes");
  assertEquals(long.match(/<details>/g)!.length, 50);
});

Deno.test("of many nodes those are in the table that have failed", () => {
  const nodes = Array.from({ length: 1000 }, (_, index) => {
    return nodeOf({ id: `n${index}`, state: index === 999 ? "failed" : "completed" });
  });
  const markdown = runMarkdown(pageOf(nodes), MOST);
  assertStringIncludes(markdown, "| ❌ | `n999` |");
  assertEquals(markdown.includes("`n299`"), false);
  assertStringIncludes(markdown, "| ✅ | `n298` |");
});
