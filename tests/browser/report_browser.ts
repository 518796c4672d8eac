import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { PageData } from "../../cli/report/page_data.ts";
import { longCount } from "../_util/temp.ts";
import { countElements, spokenNodes } from "./_looks.ts";
import type { Page } from "./_page.ts";
import { makePageData } from "./_page_data.ts";
import { withReport } from "./_report.ts";

/** The names of the nodes in the rows of the table that can be seen, from the top. */
async function namesInTable(page: Page): Promise<string[]> {
  const names = await page.getByRole("rowheader").evaluateAll((cells) => {
    return cells.map(({ textContent, offsetTop, parentElement }) => {
      return [parentElement?.offsetTop ?? offsetTop, textContent.slice(1).trim()] as const;
    });
  });
  return names.toSorted(([a], [b]) => a - b).map(([, name]) => name);
}

/** What stands in a column of the table, from the top. */
async function column(page: Page, name: string): Promise<string[]> {
  const headers = await page.locator("#table").getByRole("columnheader").allTextContents();
  const place = headers.findIndex((header) => header.startsWith(name));
  const rows = page.locator("#table-body [role=row]");
  return await rows.evaluateAll((rows, place) => {
    return rows.map((row) => row.children[place]?.textContent ?? "");
  }, place);
}

/** What the timeline says of what it is at. */
function told(page: Page) {
  return page.locator("#timeline-told");
}

Deno.test("the table of a page finds nodes by words in their names, commands and reasons", async () => {
  const { nodes } = makePageData({ nodes: 300 });
  await withReport(makePageData({ nodes: 300 }), {}, async (page) => {
    const search = page.getByRole("searchbox");
    const count = page.locator("#table-count");
    assertEquals(await count.textContent(), "300 nodes");
    await search.fill("BUNDLE package-11");
    const isMeant = ({ id }: { id: string }) => /^bundle:package-11/.test(id);
    const meant = nodes.filter(isMeant).map(({ id }) => id);
    await page.getByText(`${meant.length} of 300 nodes`).waitFor();
    assertEquals((await namesInTable(page)).toSorted(), meant.toSorted());
    await search.fill("--reporter=dot 299");
    await page.getByText("1 of 300 nodes").waitFor();
    assertEquals(await namesInTable(page), ["bundle:package-299"]);
    await search.fill("8 of 8 at work");
    await page.getByText(/^\d+ of 300 nodes$/).waitFor();
    await search.fill("no such thing");
    await page.getByText("Nothing is like that.").waitFor();
    await search.fill("");
    await page.getByText("300 nodes", { exact: true }).waitFor();
    await page.getByRole("combobox").selectOption("failed");
    const failed = nodes.filter(({ state }) => state === "failed");
    await page.getByText(`${failed.length} of 300 nodes`).waitFor();
    assertEquals((await namesInTable(page)).toSorted(), failed.map(({ id }) => id).toSorted());
  });
});

Deno.test("the table of a page is sorted by each of its columns, both ways", async () => {
  await withReport(makePageData({ nodes: 300 }), { height: 600 }, async (page) => {
    const headers = page.locator("#table").getByRole("columnheader");
    for (const name of await headers.allTextContents()) {
      const word = name.replace(/ [↑↓]$/, "");
      const header = headers.filter({ hasText: new RegExp(`^${word}`) });
      const orders = new Set<string>();
      const tops = new Set<string>();
      for (let time = 0; time < 2; time++) {
        await header.getByRole("button").click();
        orders.add(`${await header.getAttribute("aria-sort")}`);
        tops.add((await column(page, word))[0]!);
      }
      assertEquals(orders, new Set(["ascending", "descending"]), word);
      assertEquals(await page.locator("[aria-sort=ascending], [aria-sort=descending]").count(), 1);
    }
    // As people count, and not letter by letter.
    await headers.getByRole("button", { name: "name" }).click();
    const names = await namesInTable(page);
    assertEquals(names.slice(0, 3), ["bundle:package-3", "bundle:package-7", "bundle:package-11"]);
    await headers.getByRole("button", { name: "took" }).click();
    const slowest = (await column(page, "took"))[0];
    const first = await page.locator("#slowest-list li").first().textContent();
    assertStringIncludes(first!, slowest!);
  });
});

Deno.test("the timeline of a page is zoomed by buttons, keys and the wheel", async () => {
  await withReport(makePageData({ nodes: 300 }), {}, async (page) => {
    const is = "document.querySelector('#timeline-canvas').toDataURL()";
    const all = await page.evaluate<string>(is);
    const untilCloser = () => page.waitForFunction(`(all) => ${is} !== all`, all);
    const untilAll = () => page.waitForFunction(`(all) => ${is} === all`, all);
    await page.getByRole("button", { name: "zoom in" }).click();
    await untilCloser();
    await page.getByRole("button", { name: "zoom out" }).click();
    await page.getByRole("button", { name: "all of it" }).click();
    await untilAll();
    await page.getByRole("application").focus();
    await page.keyboard.press("+");
    await untilCloser();
    await page.keyboard.press("0");
    await untilAll();
    await page.getByRole("application").hover();
    await page.keyboard.down("Control");
    await page.mouse.wheel(0, -200);
    await page.keyboard.up("Control");
    await untilCloser();
  });
});

Deno.test("a page is used by the keyboard alone", async () => {
  await withReport(makePageData({ nodes: 300 }), {}, async (page) => {
    const focused = () =>
      page.evaluate<string>("document.activeElement.id || document.activeElement.tagName");
    await page.keyboard.press("Tab");
    assertEquals(await page.evaluate("document.activeElement.textContent"), "to the nodes");
    await page.keyboard.press("Enter");
    assertEquals(await focused(), "nodes-title");
    await page.keyboard.press("Tab");
    assertEquals(await focused(), "search");
    await page.keyboard.type("lint");
    await page.getByText("75 of 300 nodes").waitFor();
    await page.keyboard.press("Tab");
    assertEquals(await focused(), "filter");
    // Past the names of the columns, each of which sorts.
    for (let tab = 0; tab < 12 && await focused() !== "table"; tab++) {
      await page.keyboard.press("Tab");
    }
    assertEquals(await focused(), "table");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    const active = page.locator("#table [role=row].active");
    const name = (await active.getByRole("rowheader").textContent())!.slice(1).trim();
    assertEquals(
      await page.locator("#table").getAttribute("aria-activedescendant"),
      await active.getAttribute("id"),
    );
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name }).waitFor();
    assertEquals(await focused(), "panel-title");
    await page.keyboard.press("Escape");
    assertEquals(await page.locator("#panel").isHidden(), true);
    assertEquals(await focused(), "table");
    await page.keyboard.press("End");
    const last = (await namesInTable(page)).at(-1)!;
    assertEquals((await active.getByRole("rowheader").textContent())!.slice(1).trim(), last);
  });
});

Deno.test("the timeline of a page is walked through by arrow keys, and says what it is at", async () => {
  await withReport(makePageData({ nodes: 30 }), {}, async (page) => {
    await page.getByRole("application").focus();
    await page.keyboard.press("ArrowRight");
    const first = await told(page).textContent();
    await page.keyboard.press("ArrowRight");
    const second = await told(page).textContent();
    assert(first !== second && first !== "", `${first} ${second}`);
    assertMatch(second!, /package-\d+.*(\d+ms|\ds)/);
    await page.keyboard.press("ArrowLeft");
    assertEquals(await told(page).textContent(), first);
    await page.keyboard.press("Enter");
    await page.locator("#panel-title").waitFor();
    const [id = ""] = /\w+:package-\d+/.exec(first!) ?? [];
    assertEquals(await page.evaluate("location.hash"), `#node=${encodeURIComponent(id)}`);
  });
});

Deno.test("the address of a page names the node that is looked at, and the browser goes back from it", async () => {
  const data = makePageData({ nodes: 300 });
  await withReport(data, {}, async (page) => {
    const panel = page.locator("#panel");
    const node = data.nodes[100]!;
    await page.evaluate(`location.hash = "#node=" + encodeURIComponent("${node.id}")`);
    await page.getByRole("heading", { name: node.id }).waitFor();
    assertStringIncludes(await panel.textContent() ?? "", node.command!);
    const need = data.nodes[node.needs[0]!]!;
    await panel.getByRole("link", { name: need.id, exact: true }).click();
    await page.getByRole("heading", { name: need.id }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: node.id }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: node.id }).waitFor();
    for (const strange of ["#node=nobody", "#node=%", "#nothing", "#node="]) {
      await page.evaluate(`location.hash = "${strange}"`);
      await panel.waitFor({ state: "hidden" });
    }
  });
});

Deno.test("a page has names for what a screen reader comes to", async () => {
  await withReport(makePageData({ nodes: 60 }), {}, async (page) => {
    const nodes = await spokenNodes(page);
    const named = [
      "button",
      "link",
      "searchbox",
      "combobox",
      "grid",
      "heading",
      "application",
      "columnheader",
    ];
    assertEquals(nodes.filter(({ role, name }) => named.includes(role) && name === ""), []);
    const has = (role: string, name: RegExp) =>
      nodes.some((node) => node.role === role && name.test(node.name));
    const expected: [string, RegExp][] = [
      ["heading", /^build$/],
      ["heading", /^Timeline$/],
      ["heading", /^Critical path$/],
      ["heading", /^Nodes$/],
      ["button", /^zoom in$/],
      ["button", /^zoom out$/],
      ["searchbox", /^search$/],
      ["combobox", /^which nodes$/],
      ["grid", /^Nodes$/],
      ["rowheader", /package-0/],
      ["region", /^Timeline$/],
      ["link", /^to the nodes$/],
    ];
    for (const [role, name] of expected) assert(has(role, name), `${role} ${name}`);
    // A sign alone is told as nothing, or as something that nobody understands.
    const state = nodes.filter(({ name }) => /completed|failed/.test(name));
    assert(state.length > 0);
  });
});

Deno.test("a page of very many nodes makes few elements, and each of its answers too", async () => {
  const count = longCount(20_000, 50_000);
  await withReport(makePageData({ nodes: count }), {}, async (page) => {
    assert(await countElements(page) < 3000, `${await countElements(page)} elements`);
    const count = async () => await page.locator("#table-body [role=row]").count();
    assert(await count() < 60, `${await count()} rows`);
    await page.locator("#table").evaluate((table) => table.scrollTop = table.scrollHeight);
    await page.getByRole("searchbox").fill("package-19999");
    await page.getByText(/^\d+ of [\d,]+ nodes$/).waitFor();
    assertEquals(await namesInTable(page), ["bundle:package-19999"]);
    await page.locator("#table [role=row]").last().click();
    await page.getByRole("heading", { name: "bundle:package-19999" }).waitFor();
    await page.getByRole("searchbox").fill("");
    await page.locator("#table").getByRole("columnheader").getByRole("button", { name: "took" })
      .click();
    assert(await count() < 60, `${await count()} rows`);
    assert(await countElements(page) < 3000, `${await countElements(page)} elements`);
  });
});

/** Texts that would be markup, code, or an end of what they stand in. */
const HOSTILE = [
  "</script><script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  '"><svg onload=alert(1)>',
  "javascript:alert(1)",
  "${alert(1)}`'\"\\",
  "<!--<script>",
  "]]>&lt;b&gt;&amp;",
  "\u2028alert(1)\u2029",
  "\u202egnp.exe",
  "a\u0000b\u001b[31mc",
  "__proto__",
  "constructor",
];

/** A run of which every text is one that somebody else has chosen. */
function hostileData(): PageData {
  const data = makePageData({ nodes: HOSTILE.length });
  const nodes = data.nodes.map((node, place) => {
    const text = HOSTILE[place]!;
    return {
      ...node,
      id: text,
      text,
      command: text,
      about: [[text, text] as [string, string]],
      deferrals: [{ text, count: 1 }],
      attempts: node.attempts.map((attempt) => ({
        ...attempt,
        state: "failed" as const,
        text,
        outputs: [{ stream: "stderr" as const, text: HOSTILE.join("\n"), note: text }],
        result: text,
        error: [text],
      })),
    };
  });
  const [text = ""] = HOSTILE;
  return {
    ...data,
    run: {
      ...data.run,
      name: text,
      why: HOSTILE,
      damage: HOSTILE,
      outcomeText: text,
      output: text,
      next: HOSTILE.map((command) => ({ text: command, command, isFirst: true })),
      about: HOSTILE.map((name) => [name, name]),
    },
    nodes,
    decisions: HOSTILE.map((reason) => ({ decision: reason, reason, count: 1 })),
    waits: HOSTILE.map((id) => ({ id, kind: "gate", fromMs: 0, text: id, command: id })),
    records: HOSTILE.map((id) => ({ id, atMs: 0, text: id })),
  };
}

Deno.test("whatever the records of a run say is text on its page", async () => {
  await withReport(hostileData(), {}, async (page) => {
    assertEquals(await page.getByRole("heading", { level: 1 }).textContent(), HOSTILE[0]);
    for (const text of HOSTILE) {
      await page.evaluate(`location.hash = "#node=" + encodeURIComponent(${JSON.stringify(text)})`);
      const title = page.locator("#panel-title");
      await page.waitForFunction(
        "(text) => document.querySelector('#panel-title').textContent.includes(text)",
        text,
      );
      assertStringIncludes((await title.textContent())!, text);
    }
    // What is no element of the page's own would be somebody else's.
    const foreign = await page.evaluate<string[]>(`[...document.querySelectorAll(
      "img, svg, iframe, object, embed, link, base, form, style, script")]
      .map(({ outerHTML }) => outerHTML.slice(0, 40))`);
    assertEquals(foreign.length, 3, foreign.join("\n"));
    const handlers = await page.evaluate<string[]>(`[...document.querySelectorAll("*")]
      .flatMap(({ attributes }) => [...attributes].map(({ name }) => name))
      .filter((name) => name.startsWith("on"))`);
    assertEquals(handlers, []);
    const links = await page.evaluate<string[]>(
      "[...document.querySelectorAll('[href]')].map((link) => link.getAttribute('href'))",
    );
    assertEquals(links.filter((link) => !link.startsWith("#")), []);
  });
});

/** What somebody would try who got something into a page. */
const ATTEMPTS: Record<string, string> = {
  "a script": `const script = document.createElement("script");
    script.textContent = "window.isHurt = true";
    document.body.append(script);`,
  "an attribute that is code": `const button = document.createElement("button");
    button.setAttribute("onclick", "window.isHurt = true");
    document.body.append(button);
    button.click();`,
  "a style": `const box = document.createElement("div");
    box.innerHTML = "<p style='position: fixed'>";
    document.body.append(box);
    window.isHurt = getComputedStyle(box.firstChild).position === "fixed";`,
  "a request": `await fetch("http://127.0.0.1:9/").then(() => window.isHurt = true, () => {});`,
  "an image": `await new Promise((resolve) => {
    const image = new Image();
    image.onload = image.onerror = resolve;
    image.src = "http://127.0.0.1:9/";
  });`,
  "a frame": `const frame = document.createElement("iframe");
    frame.src = "http://127.0.0.1:9/";
    document.body.append(frame);`,
};

for (const [what, script] of Object.entries(ATTEMPTS)) {
  Deno.test(`the policy of a page forbids ${what} that is not its own`, async () => {
    const expects = () => true;
    const error = await assertRejects(() =>
      withReport(makePageData({ nodes: 10 }), { expects, allows: expects }, async (page) => {
        await page.evaluate(`(async () => { ${script} })()`);
        assert(!await page.evaluate("window.isHurt"));
      })
    );
    assertStringIncludes((error as Error).message, "policy: ");
  });
}
