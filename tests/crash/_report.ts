import { isLongRun } from "../_util/temp.ts";

/** Says what a long run amounted to, since it is run to be reported. */
export function report(line: string): void {
  // deno-lint-ignore no-console -- the numbers of a long run are wanted even if it passes
  if (isLongRun()) console.log(line);
}
