import { encodeUtf8 } from "../../_internal/text.ts";
import { optionError, UsageError } from "../exit_codes.ts";
import { pathOfOutput } from "../files.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { type OpenedRoot, openRoot } from "../reading/open_root.ts";
import type { PageRun } from "../report/page_data.ts";
import { Screen } from "../text/screen.ts";
import { parseCountOption } from "../text/units.ts";
import { cannotWrite, writeFile } from "../written_file.ts";
import {
  numberOption,
  onlyOperand,
  type Options,
  type OptionTable,
  outputOption,
  readArguments,
  RUN_OPERAND,
  type Verb,
} from "../text/arguments.ts";

const OPTIONS = {
  output: outputOption("the id of the run and .html"),
  open: { text: "show it in the browser" },
  junit: {
    value: "FILE",
    text: "write what became of each node there instead, as JUnit has it of tests, for CI " +
      "systems; - writes it to stdout",
  },
  markdown: {
    text:
      "print the same as Markdown instead, with the ends of what failed ones printed: for the " +
      "summary of a step, an issue or a chat",
  },
  serve: {
    text: "show it live instead, until Ctrl-C, at an address of this machine that is printed: " +
      "the page changes as the run goes on, and leads to a list of all runs, which comes first " +
      "where no RUN is given. Who has the address can see them, nobody else is answered",
  },
  port: { value: "N", text: "the port for that (default: one that is free)" },
} as const satisfies OptionTable;

/** `taffrail report`: makes a page of a run. */
export const reportVerb: Verb = {
  summary: "make a page of a run, a file or live: what failed, what took long",
  help: {
    about: `Makes one HTML page of a run that needs nothing else and loads nothing: what
became of it and why, what failed with the end of what it printed, when each
attempt ran and what it waited for, what decided how long the run took, and all
that is known of each node. Of a run that is at work it is a page of now.
${RUN_OPERAND}`,
    usage: ["[options] RUN", "--serve [options] [RUN]"],
    options: OPTIONS,
    operands: ["RUN"],
    exitCodes: `0 it is made, whatever became of the run, 1 there is no such run, it cannot be
read, or the page cannot be written, opened or served, 2 called wrongly, 128 + n
ended by signal n, as --serve always is.`,
    json: `{ "run_id", "path", "size_bytes", "outcome" } instead of the path, and with
--serve { "url", "run_id", "root" } instead of the address; run_id is null where
no RUN is given.`,
  },

  async run(args) {
    const { root, json, options, operands } = readArguments("report", args, OPTIONS);
    const { output, open = false, junit, markdown = false, serve = false, port } = options;
    refuseTwoForms(options);
    if ((markdown || junit === "-") && json) {
      throw new UsageError(
        "Cannot print two documents to stdout: leave out --json, or name a file",
      );
    }
    if (serve) return await serveRuns({ root, json, options, operands });
    if (port !== undefined) {
      throw new UsageError("Cannot use --port without --serve: nothing else needs one");
    }
    if (output === "-" && (json || open)) {
      throw new UsageError(
        `Cannot write the page to stdout with --${json ? "json" : "open"}: name a file`,
      );
    }
    await using runs = await openRoot(root);
    const runId = await findReadableRun({ root, runs }, onlyOperand("report", operands, "run"));
    if (junit !== undefined || markdown) {
      return await writeForCi({ root, runs }, { runId, junit, json });
    }
    const { readPageData } = await import("../report/read_page_data.ts");
    const { pageHtml } = await import("../report/page_html.ts");
    const data = await readPageData({ root, runs }, runId);
    const html = await pageHtml(data);
    const screen = new Screen(Deno.stdout);
    if (output === "-") {
      screen.text(html);
      return 0;
    }
    const bytes = encodeUtf8(html);
    const path = pathOfOutput(`${runId}.html`, output);
    await writeFile(path, bytes, { toError: (cause) => cannotWrite(path, cause, "-o") });
    tellPath(screen, { path, bytes, run: data.run, json });
    if (open) await (await import("../report/open_page.ts")).openPage(path);
    return 0;
  },
};

/** Each has an option of its own, and there is one at a time. */
function refuseTwoForms(options: Options<typeof OPTIONS>): void {
  const { output, open, junit, markdown, serve } = options;
  const forms = [
    ...(serve ? ["--serve"] : []),
    ...(junit === undefined ? [] : ["--junit"]),
    ...(markdown ? ["--markdown"] : []),
    // What is served can be shown in the browser, too.
    ...(output === undefined ? open && !serve ? ["--open"] : [] : ["--output"]),
  ];
  if (forms.length < 2) return;
  throw new UsageError(`Give one of ${forms.join(" and ")}: each makes something of its own`);
}

function tellPath(
  screen: Screen,
  { path, bytes, run, json }: {
    path: string;
    bytes: Uint8Array;
    run: PageRun;
    json: boolean;
  },
): void {
  const { id, outcome } = run;
  const told = { run_id: id, path, size_bytes: bytes.length, outcome };
  screen.line(json ? JSON.stringify(told) : path);
}

/** Writes the JUnit file, or prints it, or the Markdown. */
async function writeForCi(
  opened: OpenedRoot,
  { runId, junit, json }: { runId: string; junit: string | undefined; json: boolean },
): Promise<number> {
  const { readPageData } = await import("../report/read_page_data.ts");
  const data = await readPageData(opened, runId, { failedOnly: true });
  const screen = new Screen(Deno.stdout);
  if (junit === undefined) {
    const { MOST_MARKDOWN_BYTES, runMarkdown } = await import("../report/markdown.ts");
    screen.text(runMarkdown(data, { mostBytes: MOST_MARKDOWN_BYTES }));
    return 0;
  }
  if (data.run.kind === "log") {
    const problem = "another program wrote its log, with events of its own";
    throw new Error(`Cannot make a JUnit file of ${runId}: ${problem}`);
  }
  const { hostOf, writeJunit } = await import("../report/junit_file.ts");
  const { junitOfRun } = await import("../report/junit.ts");
  const xml = junitOfRun(data, { host: await hostOf(opened.runs.view(runId)) });
  if (junit === "-") screen.text(xml);
  else {
    await writeJunit(junit, xml);
    tellPath(screen, { path: junit, bytes: encodeUtf8(xml), run: data.run, json });
  }
  return 0;
}

/** Shows a run, or all of them, until this process is ended. */
async function serveRuns(
  { root, json, options, operands }: {
    root: string;
    json: boolean;
    options: Options<typeof OPTIONS>;
    operands: string[];
  },
): Promise<number> {
  const port = numberOption(options, "port", parseCountOption) ?? 0;
  if (port > LAST_PORT) throw optionError("port", `${port}`, `the last one is ${LAST_PORT}`);
  await using runs = await openRoot(root);
  const opened = { root, runs };
  const runId = operands.length === 0
    ? undefined
    : await findReadableRun(opened, onlyOperand("report", operands, "run"));
  const { serveReport } = await import("../report/serve/serve_report.ts");
  await serveReport(opened, { runId, port, json, open: options.open ?? false });
  return 0;
}

const LAST_PORT = 65_535;
