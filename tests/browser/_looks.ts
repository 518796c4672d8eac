/** What can be measured of how a page looks. */
import type { Page } from "./_page.ts";

/**
 * Texts that are hard to read: those whose contrast with what is behind them is less than 4.5, as WCAG 2.2 asks
 * for. What is behind a text is the nearest background that is no glass.
 */
const FAINT_TEXTS = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgbaOf = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const lightOf = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = rgbaOf(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour.slice(0, 3);
    }
    return rgbaOf("Canvas").slice(0, 3);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Map();
  for (let text = walker.nextNode(); text !== null; text = walker.nextNode()) {
    const element = text.parentElement;
    if (text.data.trim() === "" || !element.checkVisibility({ visibilityProperty: true })) continue;
    const [one, other] = [rgbaOf(getComputedStyle(element).color).slice(0, 3), behind(element)]
      .map(lightOf);
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) {
      const where = element.tagName.toLowerCase() + (element.className && "." + element.className);
      faint.set(where, contrast.toFixed(2) + ": " + text.data.trim().slice(0, 40));
    }
  }
  return [...faint].map(([where, what]) => where + " " + what);
})()`;

/** Texts that are hard to read, each with where it is. */
export async function faintTexts(page: Page): Promise<string[]> {
  return await page.evaluate(FAINT_TEXTS);
}

/** How many pixels of the page are beside the window: what nobody should have to scroll to. */
export async function widthBesideWindow(page: Page): Promise<number> {
  return await page.evaluate(
    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
  );
}

/** How many elements the page has. */
export async function countElements(page: Page): Promise<number> {
  return await page.evaluate("document.querySelectorAll('*').length");
}

/** A node of the accessibility tree: what a screen reader says of it. */
export interface SpokenNode {
  role: string;
  name: string;
}

/** All that a screen reader finds, in order. */
export async function spokenNodes(page: Page): Promise<SpokenNode[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  return nodes.filter(({ ignored }) => !ignored).map(({ role, name }) => {
    return { role: `${role?.value}`, name: `${name?.value ?? ""}` };
  });
}
