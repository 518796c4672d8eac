import { reduceSegments } from "../_segments.ts";

/** Resolves `pathSegments` from right to left to an absolute path. */
export function resolve(...pathSegments: string[]): string {
  let joined = "";
  for (const segment of pathSegments.toReversed()) {
    if (joined.startsWith("/")) break;
    if (segment !== "") joined = `${segment}/${joined}`;
  }
  if (!joined.startsWith("/")) joined = `${Deno.cwd()}/${joined}`;
  return "/" + reduceSegments(joined.split("/"), true).join("/");
}
