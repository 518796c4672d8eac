/** Pages of runs, as `taffrail report` writes them, in the browser. */
import { pageHtml } from "../../cli/report/page_html.ts";
import type { PageData } from "../../cli/report/page_data.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Page, type PageOptions, withPage } from "./_page.ts";

/** Runs `use` with the page of a run. */
export async function withReport(
  data: PageData,
  options: PageOptions,
  use: (page: Page) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const path = `${directory}/report.html`;
    await Deno.writeTextFile(path, await pageHtml(data));
    await withPage(options, async (page) => {
      await page.goto(`file://${path}`);
      await use(page);
    });
  });
}
