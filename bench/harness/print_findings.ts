// deno-lint-ignore-file no-console -- the tables are for the terminal
import type { Spread } from "./rounds.ts";
import { type Findings, isMet, type Ratio, type Topic } from "./topic.ts";

/** Prints what a topic found as Markdown. */
export function printFindings(topic: Topic, findings: Findings): void {
  console.log(`## ${topic.name}: ${topic.title}\n`);
  if (findings.rounds !== undefined) printTimes(findings.operation, findings.rounds);
  printRatios(findings.ratios);
  for (const { what, value } of findings.facts ?? []) console.log(`- ${what}: ${value}`);
  if (findings.facts !== undefined) console.log();
}

function printTimes(
  operation: string,
  rounds: { names: string[]; of(name: string): Spread },
): void {
  const rows = rounds.names.map((name) => [name, ...threeOf(rounds.of(name))]);
  printTable([`µs for ${operation}`, "median", "middle half"], rows);
}

function printRatios(ratios: readonly Ratio[]): void {
  const rows = ratios.map((ratio) => [
    ratio.what,
    ...threeOf(ratio.spread),
    goalOf(ratio),
    { true: "met", false: "**missed**", undefined: "" }[`${isMet(ratio)}`],
  ]);
  printTable(["ratio", "median", "middle half", "goal", ""], rows);
}

function goalOf({ atMost, atLeast }: Ratio): string {
  if (atMost !== undefined) return `≤ ${atMost}`;
  return atLeast === undefined ? "" : `≥ ${atLeast}`;
}

function threeOf({ median, low, high }: Spread): [string, string] {
  return [short(median), `${short(low)} – ${short(high)}`];
}

/** Three significant digits. */
function short(value: number): string {
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function printTable(head: string[], rows: string[][]): void {
  if (rows.length === 0) return;
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lineOf = (row: string[]) =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`;
  console.log(lineOf(head));
  console.log(`| ${widths.map((width) => "-".repeat(Math.max(3, width))).join(" | ")} |`);
  for (const row of rows) console.log(lineOf(row));
  console.log();
}
