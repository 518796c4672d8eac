/**
 * The server of live pages. What is always true:
 *
 * - **Only who knows the token is answered**; all else is not found, whatever it is. The token is new each time,
 *   as long as a key, and compared in a time that tells nothing of it.
 * - **Only this machine is meant**: it listens on loopback, and a request has to name that as its host, so that no
 *   page of somebody else's can be made to be of this origin by its name alone (DNS rebinding).
 * - **It only tells**: `GET` and `HEAD` of pages and their events, and nothing is kept by a cache, shown in a
 *   frame, or told to another site.
 */
import { encodeUtf8, reasonOf } from "../../../_internal/text.ts";
import { foreignRunIdProblem } from "../../../_internal/root_layout.ts";
import type { OpenedRoot } from "../../reading/open_root.ts";
import type { HtmlDocument } from "../html_document.ts";
import { lineText } from "../page_text.ts";
import { LiveFeed, type LivePage, type LiveSource } from "./live_feed.ts";
import { liveRunPage, liveRunsPage, problemPage } from "./live_pages.ts";
import { RunSource } from "./run_source.ts";
import { RunsSource } from "./runs_source.ts";

/** 192 bits. */
const TOKEN_BYTES = 24;

/** Where a browser that is started here finds its way in, for so long. */
const TICKET_MS = 60_000;

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store, no-transform",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

/** What a request asks for. */
interface Wanted {
  /** The run; undefined: all of them. */
  runId: string | undefined;
  /** Whether it asks for what changes. */
  isEvents: boolean;
}

/** Answers requests for pages of a root. */
export class ReportServer {
  readonly #opened: OpenedRoot;
  readonly #token = newToken();
  readonly #feeds = new Map<string, LiveFeed>();
  readonly #tickets = new Map<string, string>();

  constructor(opened: OpenedRoot) {
    this.#opened = opened;
  }

  /** Where the page of a run is, or that of all runs: what stands behind the host. */
  pathOf(runId: string | undefined): string {
    const page = runId === undefined ? "" : `run/${encodeURIComponent(runId)}`;
    return `/${this.#token}/${page}`;
  }

  /**
   * A path that leads to another one, once: others can read what a program is started with, and the browser is
   * there first.
   */
  ticketFor(path: string): string {
    const ticket = newToken();
    this.#tickets.set(ticket, path);
    setTimeout(() => this.#tickets.delete(ticket), TICKET_MS);
    return `/open/${ticket}`;
  }

  /** Answers a request. */
  async answer(request: Request): Promise<Response> {
    const wanted = this.#wantedBy(request);
    if (wanted === undefined) return plain("Not found\n", { status: 404 });
    if (wanted instanceof Response) return wanted;
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain("Only GET and HEAD\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const response = wanted.isEvents ? this.#eventsOf(wanted, request) : await this.#pageOf(wanted);
    return request.method === "GET" ? response : new Response(null, response);
  }

  /** What a request asks for; undefined where it may not, or there is no such thing. */
  #wantedBy(request: Request): Wanted | Response | undefined {
    if (!isLoopback(request.headers.get("host"))) return undefined;
    const [first = "", ...parts] = new URL(request.url).pathname.split("/").slice(1);
    const path = parts.join("/");
    if (first === "open") return this.#ticket(path);
    if (!isSame(first, this.#token)) return undefined;
    // Links of the list count from behind a slash, which is easily lost.
    if (parts.length === 0) return seeOther(this.pathOf(undefined));
    if (path === "" || path === "events") return { runId: undefined, isEvents: path !== "" };
    const [, written = "", events] = /^run\/([^/]+)(\/events)?$/.exec(path) ?? [];
    const runId = decoded(written);
    if (runId === undefined || foreignRunIdProblem(runId) !== undefined) return undefined;
    return { runId, isEvents: events !== undefined };
  }

  #ticket(ticket: string): Response | undefined {
    const known = [...this.#tickets].find(([one]) => isSame(ticket, one));
    if (known === undefined) return undefined;
    this.#tickets.delete(known[0]);
    return seeOther(known[1]);
  }

  async #pageOf({ runId }: Wanted): Promise<Response> {
    const problem = async (text: string, status: number) => {
      return htmlResponse(await problemPage(text, this.pathOf(undefined)), { status });
    };
    try {
      const page = await this.#feedOf(runId).page();
      if (page === undefined) return await problem("There is no such run, or none any more.", 404);
      return htmlResponse(await this.#documentOf(page, runId));
    } catch (error) {
      return await problem(lineText(reasonOf(error)), 500);
    }
  }

  async #documentOf(page: LivePage, runId: string | undefined): Promise<HtmlDocument> {
    const path = this.pathOf(runId);
    return runId === undefined
      ? await liveRunsPage(page, `${path}events`)
      : await liveRunPage(page, `${path}/events`);
  }

  #eventsOf({ runId }: Wanted, { method, headers, url }: Request): Response {
    const after = headers.get("last-event-id") ?? new URL(url).searchParams.get("after");
    const events = method === "GET" ? this.#feedOf(runId).events(after ?? undefined) : null;
    return new Response(events, { headers: { ...HEADERS, "content-type": "text/event-stream" } });
  }

  #feedOf(runId: string | undefined): LiveFeed {
    // No run has an empty id.
    const key = runId ?? "";
    const known = this.#feeds.get(key);
    if (known !== undefined && !known.isOver) return known;
    const source: LiveSource = runId === undefined
      ? new RunsSource(this.#opened)
      : new RunSource(this.#opened, runId);
    const feed = new LiveFeed(source);
    this.#feeds.set(key, feed);
    void feed.ended.then(() => {
      if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
    });
    return feed;
  }
}

function newToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Whether a text is the secret; how long that takes tells nothing of it. */
function isSame(text: string, secret: string): boolean {
  const [given, expected] = [encodeUtf8(text), encodeUtf8(secret)];
  let difference = given.length ^ expected.length;
  for (const [place, byte] of expected.entries()) difference |= byte ^ (given[place] ?? 0);
  return difference === 0;
}

/** The port may be another one, as where it is forwarded. */
function isLoopback(host: string | null): boolean {
  return host !== null && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(host);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function plain(text: string, init: { status: number; headers?: Record<string, string> }): Response {
  const headers = { ...HEADERS, "content-security-policy": "default-src 'none'", ...init.headers };
  return new Response(text, { status: init.status, headers });
}

function seeOther(path: string): Response {
  return plain("", { status: 303, headers: { location: path } });
}

function htmlResponse({ html, policy }: HtmlDocument, { status = 200 } = {}): Response {
  const headers = {
    ...HEADERS,
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `${policy}; frame-ancestors 'none'`,
  };
  return new Response(html, { status, headers });
}
