import { assertEquals } from "@std/assert";
import { faintTexts, widthBesideWindow } from "./_looks.ts";
import { keepPicture } from "./_page.ts";
import { makePageData } from "./_page_data.ts";
import { withReport } from "./_report.ts";

const SIZES = [10, 300, 5000];

for (const width of [1280, 390]) {
  for (const colorScheme of ["light", "dark"] as const) {
    Deno.test(`the page of a run is ${width} wide, and can be read where people like it ${colorScheme}`, async () => {
      for (const nodes of SIZES) {
        const data = makePageData({ nodes });
        await withReport(data, { width, colorScheme }, async (page) => {
          const failed = data.nodes.find(({ state }) => state === "failed") ?? data.nodes[0]!;
          await keepPicture(page, `${nodes}-${colorScheme}-${width}`);
          assertEquals(await faintTexts(page), []);
          assertEquals(await widthBesideWindow(page), 0);
          await page.evaluate(`location.hash = "#node=" + encodeURIComponent("${failed.id}")`);
          await page.getByRole("heading", { name: failed.id }).waitFor();
          await keepPicture(page, `${nodes}-${colorScheme}-${width}-node`);
          assertEquals(await faintTexts(page), []);
          assertEquals(await widthBesideWindow(page), 0);
        });
      }
    });
  }
}
