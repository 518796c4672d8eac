/** Serves live pages until the process is ended. */
import { reasonOf } from "../../../_internal/text.ts";
import type { OpenedRoot } from "../../reading/open_root.ts";
import { printableLine } from "../../text/printable.ts";
import { Screen } from "../../text/screen.ts";
import { openInBrowser } from "../open_page.ts";
import { ReportServer } from "./report_server.ts";

const HOST = "127.0.0.1";

/** How pages are served. */
export interface ServeOptions {
  /** The run whose page is shown; that of all runs where it is left out. */
  runId: string | undefined;
  /** The port; any that is free where it is 0. */
  port: number;
  /** Whether to print JSON. */
  json: boolean;
  /** Whether to show the page in the browser. */
  open: boolean;
}

/**
 * Serves the pages of a root, and prints where. A signal ends it at once, as nothing has to be cleared up: who
 * looks at a page sees that nobody answers any more.
 */
export async function serveReport(
  opened: OpenedRoot,
  { runId, port, json, open }: ServeOptions,
): Promise<void> {
  const server = new ReportServer(opened);
  const listening = listen(port, (request) => server.answer(request));
  const origin = `http://${HOST}:${listening.addr.port}`;
  const url = origin + server.pathOf(runId);
  const screen = new Screen(Deno.stdout);
  if (json) screen.line(JSON.stringify({ url, run_id: runId ?? null, root: opened.runs.name }));
  else {
    screen.line(url);
    new Screen(Deno.stderr).line("whoever has this address can see the runs; Ctrl-C ends that");
  }
  if (open) void show(origin + server.ticketFor(server.pathOf(runId)), url);
  await listening.finished;
}

function listen(
  port: number,
  answer: (request: Request) => Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: HOST, port, onListen: () => {} }, answer);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) {
      throw new Error(
        `Cannot serve pages: that needs the permission to listen; run deno with --allow-net=${HOST}`,
        { cause: error },
      );
    }
    const remedy = port === 0 ? "" : "; leave --port out for one that is free";
    const message = `Cannot serve pages on ${HOST}:${port}: ${reasonOf(error)}${remedy}`;
    throw new Error(message, { cause: error });
  }
}

/** It is served all the same where there is nothing to show it with. */
async function show(ticket: string, url: string): Promise<void> {
  try {
    await openInBrowser(ticket);
  } catch (error) {
    new Screen(Deno.stderr).line(printableLine(`${reasonOf(error).replace(ticket, url)}`));
  }
}
