import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";

/** An address in a page of the site, and whether the browser loads it without being asked to. */
interface Address {
  url: string;
  isLoaded: boolean;
}

const TAG = /<(a|link|script|img|iframe|source|video|audio|object|use)\b[^>]*>/gi;
const ADDRESS = /\s(?:href|src|data|poster)\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;
const ANCHOR = /\s(?:id|name)\s*=\s*(?:"([^"]*)"|'([^']*)')/gi;
const STYLE_ADDRESS = /(?:url\(\s*|@import\s+)["']?([^"')\s]+)/gi;

/**
 * Finds the links of a site that lead nowhere, and all that a browser would load from elsewhere.
 *
 * @param files The files of the site, by their path in it; null where what is in one does not count.
 * @returns What is wrong, a line each.
 */
export function checkSite(files: ReadonlyMap<string, string | null>): string[] {
  const anchors = new Map<string, Set<string>>();
  for (const [path, text] of files) {
    if (path.endsWith(".html") && text !== null) anchors.set(path, anchorsIn(text));
  }
  return [...files].flatMap(([path, text]) => {
    return addressesIn(path, text ?? "").flatMap((address) => {
      const problem = problemOf(path, address, { files, anchors });
      return problem === undefined ? [] : [`${path}: ${address.url} ${problem}`];
    });
  });
}

function anchorsIn(html: string): Set<string> {
  return new Set(Array.from(html.matchAll(ANCHOR), (found) => unescapeHtml(found[1] ?? found[2]!)));
}

function addressesIn(path: string, text: string): Address[] {
  if (path.endsWith(".css")) return stylesIn(text);
  if (!path.endsWith(".html")) return [];
  const found = Array.from(text.matchAll(TAG)).flatMap(([tag, name]) =>
    Array.from(tag.matchAll(ADDRESS), (value) => ({
      url: unescapeHtml(value[1] ?? value[2]!),
      isLoaded: name!.toLowerCase() !== "a",
    }))
  );
  return [...found, ...stylesIn(text.match(/<style\b[^>]*>[^]*?<\/style>/gi)?.join() ?? "")];
}

function stylesIn(css: string): Address[] {
  return Array.from(css.matchAll(STYLE_ADDRESS), ([, url]) => ({ url: url!, isLoaded: true }));
}

function problemOf(
  path: string,
  { url, isLoaded }: Address,
  { files, anchors }: {
    files: ReadonlyMap<string, string | null>;
    anchors: ReadonlyMap<string, ReadonlySet<string>>;
  },
): string | undefined {
  if (/^(data|blob):/.test(url)) return undefined;
  if (/^([a-z]+:|\/\/)/i.test(url)) return isLoaded ? "is loaded from elsewhere" : undefined;
  const [way = "", anchor = ""] = decodeURI(url).split("#");
  const plain = way.split("?")[0]!;
  const target = plain === "" ? path : join(dirname(path), plain).replace(/^\.\/$|\/$/, "");
  const found = [target, join(target, "index.html")].find((candidate) => files.has(candidate));
  if (found === undefined) return "leads nowhere";
  const isMissing = anchor !== "" && anchors.get(found)?.has(decodeURIComponent(anchor)) === false;
  return isMissing ? "leads to nothing in that page" : undefined;
}

function unescapeHtml(text: string): string {
  return text.replaceAll("&quot;", '"').replaceAll("&#x27;", "'").replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&#x2F;", "/")
    .replaceAll("&#x3D;", "=").replaceAll("&amp;", "&");
}
