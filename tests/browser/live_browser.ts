import { assert, assertEquals } from "@std/assert";
import { openFileRoot } from "../../run/mod.ts";
import { taffrail } from "../cli/_command.ts";
import { GatedFlow, withServedPages } from "../cli/_served.ts";
import { withTempDir } from "../_util/temp.ts";
import { faintTexts, widthBesideWindow } from "./_looks.ts";
import { keepPicture, type Page, withPage } from "./_page.ts";

const NODES = Array.from({ length: 60 }, (_, place) => `node-${String(place).padStart(2, "0")}`);

/** A page may only ask for the events of the page that is shown. */
function allowing(url: string) {
  return { allows: (asked: string) => asked.startsWith(new URL(url).origin) };
}

/** The row of a node in the table. */
function rowOf(page: Page, id: string) {
  return page.locator("#table-body").getByRole("row", { name: id });
}

/** Runs `use` with the live page of a run of which each node waits for its gate. */
async function withLivePage(
  nodes: readonly string[],
  use: (live: {
    page: Page;
    flow: GatedFlow;
    runId: string;
    cwd: string;
    /** Opens the gates that are still shut, and waits for the end. */
    finish: (opened?: readonly string[]) => Promise<void>;
    /** Ends the server. */
    endServer: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await withTempDir(async (cwd) => {
    const flow = await GatedFlow.write(cwd, nodes);
    const { running, runId } = await flow.start();
    await using _ = running;
    const finish = async (opened: readonly string[] = []) => {
      for (const node of nodes) if (!opened.includes(node)) await flow.open(node);
      await running.end();
    };
    await withServedPages({ cwd, args: [runId] }, async (url, server) => {
      const endServer = async () => {
        server.kill("SIGKILL");
        await server.end();
      };
      await withPage(allowing(url), async (page) => {
        await page.goto(url);
        await page.getByText("live", { exact: true }).waitFor();
        await use({ page, flow, runId, cwd, finish, endServer });
      });
    });
  });
}

Deno.test("a live page changes as the run goes on; what was chosen, searched for and scrolled to stays", async () => {
  await withLivePage(NODES, async ({ page, flow, finish }) => {
    await page.evaluate("window.isSamePage = true");
    await page.getByRole("searchbox").fill("node-");
    const table = page.locator("#table");
    await page.getByRole("status").filter({ hasText: "60 nodes" }).waitFor();
    await table.evaluate("(table) => table.scrollTop = 300");
    await rowOf(page, "node-20").click();
    await page.getByRole("heading", { name: "node-20" }).waitFor();
    await page.evaluate("scrollTo(0, 200)");
    const before = await page.evaluate("[scrollY, document.querySelector('#table').scrollTop]");
    await flow.open("node-20", "said at last\n");
    await page.locator("#panel").getByText("said at last").waitFor();
    await rowOf(page, "node-20").getByText("completed").waitFor();
    await page.getByText("1 of 60").waitFor();
    assertEquals(
      await page.evaluate("[scrollY, document.querySelector('#table').scrollTop]"),
      before,
    );
    assertEquals(await page.getByRole("searchbox").inputValue(), "node-");
    assertEquals(await page.evaluate("location.hash"), "#node=node-20");
    assertEquals(await page.evaluate("window.isSamePage"), true);
    await keepPicture(page, "live-running");
    await finish(["node-20"]);
    await page.locator("#state").getByText("completed").waitFor();
    assert((await page.title()).startsWith("✓ gated"));
    assertEquals(await page.evaluate("window.isSamePage"), true);
  });
});

Deno.test("a live page in the background looks from time to time, and is up to date when it is seen again", async () => {
  await withLivePage(["a", "b"], async ({ page, flow, finish }) => {
    const hide = async (isHidden: boolean) => {
      await page.evaluate(
        `Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));`,
      );
    };
    // What it does when it hears something it does then without being seen.
    await page.evaluate(`{
      const close = EventSource.prototype.close;
      EventSource.prototype.close = function () {
        window.closed = (window.closed ?? 0) + 1;
        return close.call(this);
      };
    }`);
    await hide(true);
    await flow.open("a");
    await page.waitForFunction("() => window.closed > 0");
    await page.getByText("1 of 2").waitFor();
    await flow.open("b");
    await hide(false);
    await page.locator("#state").getByText("completed").waitFor();
    await finish(["a", "b"]);
  });
});

Deno.test("a live page says when its run is removed", async () => {
  await withLivePage(["a"], async ({ page, runId, cwd, finish }) => {
    await finish();
    await page.locator("#state").getByText("completed").waitFor();
    await openFileRoot(`${cwd}/.taffrail`).remove(runId);
    await page.getByText("this run has been removed, shown as of").waitFor();
    assertEquals(await rowOf(page, "a").count(), 1);
  });
});

Deno.test("a live page says when nobody answers any more, and what it shows stays", async () => {
  await withTempDir(async (cwd) => {
    await taffrail(["exec", "--name", "job", "--", "true"], { cwd });
    await withServedPages({ cwd, args: ["job"] }, async (url, server) => {
      const isRefused = (text: string) =>
        text.includes("ERR_CONNECTION_REFUSED") || text.includes("ERR_INCOMPLETE");
      await withPage({ ...allowing(url), expects: isRefused }, async (page) => {
        await page.goto(url);
        await page.getByText("live", { exact: true }).waitFor();
        server.kill("SIGKILL");
        await server.end();
        await page.getByText("no longer live, as of").waitFor();
        await keepPicture(page, "live-lost");
        assertEquals(await faintTexts(page), []);
        assertEquals(await rowOf(page, "job").count(), 1);
      });
    });
  });
});

for (const width of [1280, 390]) {
  Deno.test(`the page of all runs, ${width} wide, leads to each and changes as they do`, async () => {
    await withTempDir(async (cwd) => {
      for (const name of ["first", "second"]) {
        await taffrail(["exec", "--name", name, "--", "echo", `from ${name}`], { cwd });
      }
      await withServedPages({ cwd }, async (url) => {
        await withPage({ width, colorScheme: "dark", ...allowing(url) }, async (page) => {
          await page.goto(url);
          await page.getByText("2 runs").waitFor();
          const links = page.getByRole("link");
          const names = async () => (await links.allTextContents()).map((id) => id.split("-")[0]);
          assertEquals(await names(), ["second", "first"]);
          await links.first().focus();
          const flow = await GatedFlow.write(cwd, ["a", "b"]);
          const { running } = await flow.start();
          await using _ = running;
          await page.getByText("3 runs").waitFor();
          assertEquals(await names(), ["gated", "second", "first"]);
          await page.getByRole("row", { name: "gated" }).getByText("running").waitFor();
          await flow.open("a");
          await page.getByText("1 of 2").waitFor();
          // Whoever was about to follow a link is still there.
          assertEquals(
            await page.evaluate("document.activeElement.textContent.split('-')[0]"),
            "second",
          );
          await keepPicture(page, `runs-dark-${width}`);
          assertEquals(await faintTexts(page), []);
          assertEquals(await widthBesideWindow(page), 0);
          await page.getByRole("searchbox").fill("gated");
          await page.getByText("1 of 3 runs").waitFor();
          assertEquals(await names(), ["gated"]);
          await page.keyboard.press("Tab");
          await page.keyboard.press("Enter");
          await page.getByRole("heading", { name: "gated" }).waitFor();
          assertEquals(await faintTexts(page), []);
          assertEquals(await widthBesideWindow(page), 0);
          await flow.open("b");
          await page.locator("#state").getByText("completed").waitFor();
          await page.getByRole("link", { name: "all runs" }).click();
          await page.getByText("3 runs").waitFor();
          await running.end();
        });
      });
    });
  });
}

Deno.test("whatever runs are called is text in the list of them", async () => {
  await withTempDir(async (cwd) => {
    const names = [
      "<img src=x onerror=alert(1)>",
      "a%2fb",
      "a?b#c",
      "__proto__",
      '"><b>bold',
      "a..b c",
    ];
    for (const name of names) {
      const directory = `${cwd}/.taffrail/runs/${name}`;
      await Deno.mkdir(directory, { recursive: true });
      const event = {
        type: "pipe.started",
        id: "1",
        ts: "2026-01-01T00:00:00Z",
        run_id: name,
        pipe: name,
      };
      await Deno.writeTextFile(`${directory}/events.jsonl`, `${JSON.stringify(event)}\n`);
    }
    await withServedPages({ cwd }, async (url) => {
      await withPage(allowing(url), async (page) => {
        await page.goto(url);
        await page.getByText(`${names.length} runs`).waitFor();
        const links = page.getByRole("link");
        assertEquals((await links.allTextContents()).toSorted(), names.toSorted());
        for (const name of names) {
          await links.filter({ hasText: name }).click();
          await page.getByRole("heading", { name, exact: true }).waitFor();
          assertEquals(await page.locator("img, b:not(#numbers b)").count(), 0);
          await page.goBack();
          await page.getByText(`${names.length} runs`).waitFor();
        }
      });
    });
  });
});
