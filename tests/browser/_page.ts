/**
 * Pages for the tests, each in a context of its own of the browser that they share. Whatever a page should
 * not do fails its test: errors on the console, exceptions, what its policy forbids, requests elsewhere, dialogs.
 */
import { type Browser, chromium, type Page } from "playwright-core";
import { SCREENSHOTS, SHARED_BROWSER, startBrowser } from "./_chromium.ts";

export type { Page };

/** What has not come then never comes, also where others keep the machine busy. */
const PATIENCE_MS = 120_000;

/** What somebody has who looks at a page. */
export interface PageOptions {
  /**
   * The width of the window.
   *
   * @default {1280}
   */
  width?: number;
  /**
   * Its height.
   *
   * @default {800}
   */
  height?: number;
  /**
   * Which colours they like.
   *
   * @default {"light"}
   */
  colorScheme?: "light" | "dark";
  /** What the page may ask for beside documents that the test opens. */
  allows?: (url: string) => boolean;
  /** What may be said on the console, as by the browser where nobody answers. */
  expects?: (text: string) => boolean;
}

/** Runs `use` with an empty page; rejects if that finds out something, or the page does what it should not. */
export async function withPage<T>(
  options: PageOptions,
  use: (page: Page) => Promise<T>,
): Promise<T> {
  return await withBrowser(async (browser) => {
    const { width = 1280, height = 800, colorScheme = "light" } = options;
    const viewport = { width, height };
    const context = await browser.newContext({ viewport, colorScheme, reducedMotion: "reduce" });
    context.setDefaultTimeout(PATIENCE_MS);
    try {
      const page = await context.newPage();
      const problems = await watch(page, options);
      const given = await use(page);
      // Whatever the browser has told before the answer to this is here then.
      await page.evaluate("0");
      if (problems.length > 0) {
        throw new Error(`The page is not as it should be:\n${problems.join("\n")}`);
      }
      return given;
    } finally {
      await context.close();
    }
  });
}

async function withBrowser<T>(use: (browser: Browser) => Promise<T>): Promise<T> {
  const shared = Deno.env.get(SHARED_BROWSER);
  if (shared !== undefined) return await connect(shared, use);
  await using own = await startBrowser();
  return await connect(own.address, use);
}

async function connect<T>(address: string, use: (browser: Browser) => Promise<T>): Promise<T> {
  const browser = await chromium.connectOverCDP(address);
  try {
    return await use(browser);
  } finally {
    // The browser itself goes on.
    await browser.close();
  }
}

/** Collects what a page does and should not. */
async function watch(
  page: Page,
  { allows = () => false, expects = () => false }: PageOptions,
): Promise<string[]> {
  const problems: string[] = [];
  page.on("console", (message) => {
    const isBad = ["error", "warning"].includes(message.type()) && !expects(message.text());
    if (isBad) problems.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`exception: ${error.stack ?? error.message}`));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("popup", (popup) => problems.push(`popup: ${popup.url()}`));
  page.on("request", (request) => {
    if (request.resourceType() !== "document" && !allows(request.url())) {
      problems.push(`request: ${request.resourceType()} ${request.url()}`);
    }
  });
  const session = await page.context().newCDPSession(page);
  session.on("Audits.issueAdded", ({ issue }) => {
    if (issue.code === "ContentSecurityPolicyIssue") {
      problems.push(`policy: ${JSON.stringify(issue.details.contentSecurityPolicyIssueDetails)}`);
    }
  });
  await session.send("Audits.enable");
  return problems;
}

/** Keeps a picture of the page, where somebody has asked for pictures. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = Deno.env.get(SCREENSHOTS);
  if (folder !== undefined) {
    await page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
  }
}
