/**
 * How texts of records are made fit for a page. A browser acts on none of them, as they only ever become text;
 * but what turns the direction of writing would make one look like another, and a very long one would be all
 * that is seen.
 */
import { printable, printableLine, shortened } from "../text/printable.ts";

const MOST_OF_ID = 200;
const MOST_OF_LINE = 1000;
const MOST_OF_BLOCK = 4000;

/** JSON that is no longer stands on a line. */
const MOST_ON_A_LINE = 100;

/** The id of a node. */
export function idText(id: string): string {
  return printableLine(bounded(id, MOST_OF_ID));
}

/** A text on one line. */
export function lineText(text: string): string {
  return printableLine(bounded(text, MOST_OF_LINE));
}

/** A text that may have lines. */
export function blockText(text: string): string {
  return printable(bounded(text, MOST_OF_BLOCK));
}

/** Any JSON, as it is read best; undefined for what is none. */
export function jsonText(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const short = JSON.stringify(value);
  return blockText(short.length <= MOST_ON_A_LINE ? short : JSON.stringify(value, null, 2));
}

function bounded(text: string, most: number): string {
  return shortened(text, most).toWellFormed();
}

/** JSON for a block of HTML, of which nothing can be its end. */
export function jsonBlock(value: unknown): string {
  return JSON.stringify(value).replaceAll("<", "\\u003c")
    .replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}
