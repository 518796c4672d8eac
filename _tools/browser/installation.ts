/** Finds the browser that the tests of pages need, and installs it where that may be done. */
import { install, isFile, mayInstall } from "../_debian.ts";

/**
 * What Chromium, and what is made of it, is called by those who package it. Ubuntu has a profile for the sandbox of
 * the one that Google packages, and what is called Chromium there may be confined to the user's home.
 */
const NAMES = ["google-chrome", "google-chrome-stable", "chromium", "chromium-browser"];

/** Where a program is that is in no folder of `PATH`. */
const PLACES = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** The path of Chromium, if it is installed in a folder of `path` or at one of `places`. */
export async function findChromium(
  { path = Deno.env.get("PATH") ?? "", places = PLACES } = {},
): Promise<string | undefined> {
  const folders = path.split(":").filter((folder) => folder !== "");
  const candidates = NAMES.flatMap((name) => folders.map((folder) => `${folder}/${name}`));
  for (const candidate of [...candidates, ...places]) {
    if (await isFile(candidate)) return candidate;
  }
  return undefined;
}

/**
 * The path of Chromium, which is installed if it is not there, with a font if there is none.
 *
 * @throws {Error} When it is not there and cannot be installed.
 */
export async function requireChromium(): Promise<string> {
  const found = await findChromium();
  if (found !== undefined) return found;
  if (await mayInstall()) await install(["chromium", "fonts-dejavu-core"]);
  const installed = await findChromium();
  if (installed !== undefined) return installed;
  throw new Error(
    `Cannot test pages in a browser: PATH has none of ${NAMES.join(", ")}; ` +
      'install one, as with "sudo apt-get install chromium"',
  );
}
