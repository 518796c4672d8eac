/**
 * A run as a document in the format of JUnit: one suite, and a case for each node. What is always true:
 *
 * - **It is XML 1.0, whatever was printed**: what that does not know stands as U+FFFD, and all else that could be
 *   taken for a part of the document is written as a reference.
 * - **A run that has not completed has a case that says so**: where no node has failed, one for the run itself.
 * - It keeps to the schema of Jenkins, `junit-10.xsd` of its xunit plugin.
 * - Its length is bounded by the number of nodes: of what was printed there is so much in all.
 */
import { VERSION } from "../../_internal/version.ts";
import { formatDuration } from "../text/units.ts";
import {
  endsOf,
  howItEnded,
  isAllowed,
  isBad,
  lastOf,
  lengthOf,
  problemOf,
  whyOf,
} from "./ci_words.ts";
import type { PageAttempt, PageData, PageNode } from "./page_data.ts";

/** What was printed takes so many characters of the document at most. */
const MOST_CHARACTERS = 4 * 1024 * 1024;

/** The case of the run itself. No node is called so. */
const RUN_CASE = "(run)";

/** The document for a run; `host`: the machine on which it was made, where that is known. */
export function junitOfRun(data: PageData, { host }: { host?: string | undefined } = {}): string {
  const { run, nodes } = data;
  const name = run.name || run.id;
  const room = new Room();
  const cases = nodes.map((node) => caseOf(node, { data, name, room }));
  const problem = problemOf(data.run);
  if (problem !== undefined && !cases.some(({ is }) => is === "failure" || is === "error")) {
    cases.push(runCase({ name, type: run.outcome, problem }));
  }
  const began = run.beganMs === null ? undefined : new Date(run.beganMs).toISOString();
  return documentOf(name, {
    cases,
    seconds: run.durationMs === null ? undefined : secondsOf(run.durationMs),
    timestamp: began,
    hostname: host,
    properties: [
      ["run_id", run.id],
      [run.kind, name],
      ["outcome", run.outcome],
      ...run.why.map((text) => ["reason", text] as const),
      ...run.damage.map((text) => ["damage", text] as const),
    ],
  });
}

/** The document for what could not be run, or has no end yet. */
export function junitOfProblem(
  name: string,
  { type, problem }: { type: string; problem: string },
): string {
  return documentOf(name, { cases: [runCase({ name, type, problem })], properties: [] });
}

/** How a case ended, and its element. */
interface Case {
  is: "passed" | "failure" | "error" | "skipped";
  xml: string;
}

function runCase(
  { name, type, problem }: { name: string; type: string; problem: string },
): Case {
  const [message = ""] = problem.split("\n");
  const error = element("error", { type, message }, escaped(problem));
  return { is: "error", xml: element("testcase", { classname: name, name: RUN_CASE }, error) };
}

/** What a case is made with. */
interface CaseSources {
  data: PageData;
  /** The name of the suite. */
  name: string;
  /** The room for what was printed. */
  room: Room;
}

function caseOf(node: PageNode, { data, name, room }: CaseSources): Case {
  const last = lastOf(node);
  const is = kindOf(node, data);
  const time = last && secondsOf(lengthOf(last));
  const message = whyOf(node, data.run);
  const parts: string[] = [];
  if (is === "skipped") parts.push(element("skipped", { message }));
  else if (is !== "passed") {
    const type = typeOf(node);
    parts.push(element(is, { type, message }, escaped(room.take(failureText(node.text, last)))));
  }
  if (is === "passed" || is === "failure") parts.push(...earlierParts(node, { is, room }));
  if (node.attempts.length > 1) {
    parts.push(element("system-out", {}, escaped(room.take(attemptLines(node)))));
  }
  return { is, xml: element("testcase", { classname: name, name: node.id, time }, parts.join("")) };
}

/** A node that may fail and has done so keeps no run from completing, and is no success either. */
function kindOf(node: PageNode, { run }: PageData): Case["is"] {
  if (node.state === "completed") return "passed";
  if (isBad(node)) return isAllowed(node, run) ? "skipped" : "failure";
  // Nobody has seen its end.
  return node.state === "running" && !run.isLive ? "error" : "skipped";
}

/** In which way it failed: the words of {@linkcode PageNode.text} without the code or signal. */
function typeOf({ text, state }: Pick<PageAttempt, "text" | "state">): string {
  return text.split(",")[0] || state;
}

function failureText(text: string, attempt: PageAttempt | undefined): string {
  const ends = endsOf(attempt);
  const parts = ends.map(({ title, text }) => title === "" ? text : `${title}:\n${text}`);
  return [text, ...parts].join("\n\n");
}

/** The attempts that failed before the last, as the reruns of Maven, which others know too. */
function earlierParts(
  { attempts }: PageNode,
  { is, room }: { is: "passed" | "failure"; room: Room },
): string[] {
  const name = is === "passed" ? "flakyFailure" : "rerunFailure";
  return attempts.slice(0, -1).filter(({ state }) => state === "failed").map((attempt) => {
    const { number, text } = attempt;
    const message = `attempt ${number}: ${text}`;
    const trace = element("stackTrace", {}, escaped(room.take(failureText(text, attempt))));
    return element(name, { message, type: typeOf(attempt) }, trace);
  });
}

function attemptLines({ attempts }: PageNode): string {
  return attempts.map((attempt) => {
    const length = lengthOf(attempt);
    const time = length === undefined ? "" : `${formatDuration(length)}, `;
    return `attempt ${attempt.number}: ${time}${howItEnded(attempt)}`;
  }).join("\n");
}

/** How much may still stand in the document of what was printed. */
class Room {
  #left = MOST_CHARACTERS;

  /** The text, or that there is no room for it. */
  take(text: string): string {
    if (text.length > this.#left) return "[taffrail: left out, as there is much in this file]";
    this.#left -= text.length;
    return text;
  }
}

function documentOf(
  name: string,
  { cases, seconds, timestamp, hostname, properties }: {
    cases: readonly Case[];
    seconds?: string | undefined;
    timestamp?: string | undefined;
    hostname?: string | undefined;
    properties: readonly (readonly [name: string, value: string])[];
  },
): string {
  const count = (kind: Case["is"]) => String(cases.filter(({ is }) => is === kind).length);
  const counts = {
    name,
    tests: String(cases.length),
    failures: count("failure"),
    errors: count("error"),
    time: seconds,
  };
  const all = [["taffrail", VERSION] as const, ...properties];
  const told = all.map(([name, value]) => element("property", { name, value })).join("");
  const suite = element(
    "testsuite",
    { ...counts, skipped: count("skipped"), timestamp, hostname },
    element("properties", {}, told) + cases.map(({ xml }) => xml).join(""),
  );
  const head = '<?xml version="1.0" encoding="UTF-8"?>';
  return `${head}${element("testsuites", counts, suite)}\n`;
}

/** Seconds with three digits behind the point, which is all that the schema takes. */
function secondsOf(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : (Math.max(0, milliseconds) / 1000).toFixed(3);
}

/** An element on lines of its own; attributes that are undefined are left out, and `content` is XML already. */
function element(
  name: string,
  attributes: Readonly<Record<string, string | undefined>>,
  content = "",
): string {
  const given = Object.entries(attributes).flatMap(([name, value]) => {
    return value === undefined ? [] : ` ${name}="${escaped(value, { inAttribute: true })}"`;
  });
  const tag = `${name}${given.join("")}`;
  return content === "" ? `\n<${tag}/>` : `\n<${tag}>${content}</${name}>`;
}

const REFERENCES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#13;",
  "\n": "&#10;",
  "\t": "&#9;",
};

/** Any text as XML 1.0 has it; in attributes white space would be made spaces. */
function escaped(text: string, { inAttribute = false } = {}): string {
  return text.toWellFormed()
    .replaceAll(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "\ufffd")
    .replaceAll(inAttribute ? /[&<>"\r\n\t]/g : /[&<>\r]/g, (found) => REFERENCES[found]!);
}
