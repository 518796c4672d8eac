/** How the run of a program is shown: by its steps, what they gave, what waits, and what was recorded. */
import { commandLine, fitTo, printableLine, shortened } from "../text/printable.ts";
import { formatTime } from "../text/units.ts";
import type { ErrorRecord } from "../../run/types.ts";
import { commandHint } from "./find_run.ts";
import type { ReportWords } from "./print_report.ts";
import type { WaitTold } from "./program_facts.ts";
import type { RunReport } from "./run_report.ts";

/** A value is shown on the line of what it is of. */
const MOST_SHOWN = 100;

/** A JSON value in one line, fit for a terminal; undefined for what is none. */
export function shortJson(value: unknown): string | undefined {
  return value === undefined ? undefined : shortText(JSON.stringify(value));
}

function shortText(text: string): string {
  const line = printableLine(text.slice(0, MOST_SHOWN + 1).toWellFormed());
  return text.length > MOST_SHOWN ? `${fitTo(line, MOST_SHOWN)} (${text.length} characters)` : line;
}

/** An error in one line: its class and its message. */
export function errorLine({ name, message }: Pick<ErrorRecord, "name" | "message">): string {
  const [first = ""] = message.split("\n");
  const isNamed = name !== undefined && name !== "Error" && !first.startsWith(`${name}:`);
  return shortText(isNamed ? `${name}: ${first}` : first);
}

/** The words for runs below a root. */
export function programWords(root: string): ReportWords {
  return {
    head: ({ pipe, version, command }) => {
      const of = version === undefined ? "" : `, version ${version}`;
      return [
        `program ${printableLine(`${pipe}${of}`) || "unknown"}`,
        ...command === undefined
          ? []
          : [`command ${shortened(printableLine(commandLine(command)))}`],
      ];
    },
    end: ({ error, result, result_hash: hash, by }) => {
      if (error !== undefined) return `: ${errorLine(error)}`;
      const gave = hash === undefined
        ? shortJson(result)
        : "a long result: taffrail logs prints it";
      const who = by === undefined ? "" : ` passed by ${printableLine(by)}`;
      return `${who}${gave === undefined ? "" : ` → ${gave}`}`;
    },
    rest: (report, width) => [
      ...(report.waits ?? []).flatMap((wait) => waitLines(wait, { report, root, width })),
      ...(report.records ?? []).map(({ id, data }) => {
        return `  • ${printableLine(id).padEnd(width)}  recorded  ${shortJson(data)}`;
      }),
      ...report.output === undefined ? [] : [`gives   ${shortJson(report.output)}`],
    ],
    failure: ({ error, status }) => {
      if (error === undefined) {
        const message = typeof status === "object" ? status.Failed.message ?? "" : "";
        return message.split("\n").map(printableLine);
      }
      const { name = "Error", message, causes = [] } = error;
      const lines = [`${name}: ${message}`];
      for (const { name = "Error", message } of causes) lines.push(`because ${name}: ${message}`);
      return lines.flatMap((line) => line.split("\n")).map(printableLine);
    },
  };
}

function waitLines(
  { id, kind, until, refused = [] }: WaitTold,
  { report, root, width }: { report: RunReport; root: string; width: number },
): string[] {
  const time = until === undefined ? "" : formatTime(until);
  const name = printableLine(id).padEnd(width);
  if (kind === "sleep") return [`  ⏸ ${name}          sleeps until ${time}`];
  const hint = commandHint("pass", { root, runId: report.run_id });
  return [
    `  ⏸ ${name}          waits for an answer${time && `, until ${time}`}`,
    ...refused.map(({ by, problem }) => {
      return `      an answer${by === undefined ? "" : ` of ${printableLine(by)}`} was refused: ` +
        printableLine(problem);
    }),
    ...report.redacted ? [] : [`      ${hint} ${commandLine([id])} --value JSON`],
  ];
}
