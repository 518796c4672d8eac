import { printableLine } from "../printable.ts";
import type { Screen } from "../screen.ts";
import type { Problem } from "./problem.ts";

/** Prints each problem with its place, in the form that editors make a link of. */
export function printProblems(screen: Screen, problems: readonly Problem[]): void {
  for (const { path, line, kind, message, repair } of problems) {
    const place = line === null ? path : `${path}:${line}`;
    screen.line(`${screen.paint("✗", "red")} ${printableLine(`${place}: ${kind}: ${message}`)}`);
    if (repair !== null) screen.line(screen.paint(`  taffrail repair would ${repair}`, "dim"));
  }
}

/** `1 run`, `3 runs`. */
export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
