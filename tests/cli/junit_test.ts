/** The JUnit document of a run, whatever its records say. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { junitOfProblem, junitOfRun } from "../../cli/report/junit.ts";
import type { PageAttempt, PageRun } from "../../cli/report/page_data.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { caseIn, readJunit } from "./_junit_schema.ts";
import { nodeOf, pageOf, printed } from "./_page_data.ts";

Deno.test("a node is a case: passed, failed with why and what it printed, or skipped with why", () => {
  const junit = readJunit(junitOfRun(
    pageOf([
      nodeOf({ id: "fine", state: "completed" }),
      nodeOf({ id: "bad", state: "failed", text: "timed out, ended by SIGTERM" }, {
        ...printed("no <end>"),
        error: ["no <end>"],
      }),
      nodeOf({ id: "may", state: "failed", mayFail: true }),
      nodeOf({ id: "left", state: "skipped", text: "skipped: needs bad, which failed" }),
      nodeOf({ id: "later", state: "pending", text: "not started" }),
      nodeOf({ id: "gate", state: "waiting", text: "waits for an answer" }),
      nodeOf({ id: "lost", state: "running", text: "was running" }, { isCutOff: true }),
    ], { why: ["bad timed out"] }),
    { host: "here" },
  ));
  assertEquals(junit.suite, {
    name: "flow",
    tests: "7",
    failures: "1",
    errors: "1",
    time: "1.500",
    skipped: "4",
    timestamp: "2026-11-30T00:00:00.000Z",
    hostname: "here",
  });
  assertEquals(junit.properties.slice(1), [
    ["run_id", "flow-1"],
    ["flow", "flow"],
    ["outcome", "failed"],
    ["reason", "bad timed out"],
  ]);
  const outline = junit.cases.map(({ name, time, parts }) => {
    return [name, time, ...parts.map(({ is, type, message }) => [is, type, message])];
  });
  assertEquals(outline, [
    ["fine", "0.250"],
    [
      "bad",
      "0.250",
      ["failure", "timed out", "timed out, ended by SIGTERM: no <end>"],
    ],
    ["may", "0.250", ["skipped", undefined, "failed, exit code 1, which it may"]],
    ["left", undefined, ["skipped", undefined, "needs bad, which failed"]],
    ["later", undefined, ["skipped", undefined, "not started"]],
    ["gate", "0.250", ["skipped", undefined, "waits for an answer"]],
    ["lost", undefined, ["error", "was running", "was running"]],
  ]);
  assertEquals(
    caseIn(junit, "bad").parts[0]!.text,
    "timed out, ended by SIGTERM\n\nstderr:\nno <end>",
  );
});

Deno.test("attempts that failed before are told as flaky where the node recovered, and as reruns else", () => {
  const first: PageAttempt = {
    number: 1,
    state: "failed",
    text: "failed, exit code 1",
    startMs: 0,
    endMs: 5,
    outputs: [],
    error: ["early"],
  };
  const attempts = (state: "completed" | "failed"): PageAttempt[] => [
    first,
    { number: 2, state: "cancelled", text: "cancelled", isCutOff: true, outputs: [], error: [] },
    { number: 3, state, text: state === "failed" ? first.text : "", outputs: [], error: [] },
  ];
  const { cases } = readJunit(junitOfRun(pageOf([
    nodeOf({ id: "recovered", state: "completed", attempts: attempts("completed") }),
    nodeOf({ id: "never", state: "failed", attempts: attempts("failed") }),
  ])));
  const [recovered, never] = cases;
  assertEquals(recovered!.parts.map(({ is }) => is), ["flakyFailure", "system-out"]);
  assertEquals(never!.parts.map(({ is }) => is), ["failure", "rerunFailure", "system-out"]);
  const [flaky, out] = recovered!.parts;
  assertEquals([flaky!.type, flaky!.message], ["failed", "attempt 1: failed, exit code 1"]);
  assertStringIncludes(flaky!.text, "early");
  assertEquals(
    out!.text,
    "attempt 1: 5ms, failed, exit code 1\nattempt 2: cancelled\nattempt 3: completed",
  );
});

Deno.test("a run that has not completed has a case that is red, whatever its nodes are", () => {
  const fine = [nodeOf({ id: "fine", state: "completed" })];
  const runs: (Partial<PageRun> & Pick<PageRun, "outcomeText">)[] = [
    { outcome: "timed-out", outcomeText: "timed out", why: ["its deadline passed"] },
    { outcome: "orphan", outcomeText: "[ORPHAN?]", why: ["it has no end"] },
    { outcome: "running", outcomeText: "running", isLive: true },
    { outcome: "unfinished", outcomeText: "unfinished" },
  ];
  for (const run of runs) {
    const junit = readJunit(junitOfRun(pageOf(fine, run)));
    const [error] = caseIn(junit, "(run)").parts;
    assertEquals([error!.is, error!.type], ["error", run.outcome!]);
    assertStringIncludes(error!.message!, run.outcomeText);
  }
  const completed = { outcome: "completed", outcomeText: "completed" } as const;
  assertEquals(readJunit(junitOfRun(pageOf(fine, completed))).cases.length, 1);
  assertEquals(readJunit(junitOfRun(pageOf([], completed))).cases, []);
  const problem = { type: "error", problem: "Cannot run it: a <flow>\nis missing" };
  const [error] = readJunit(junitOfProblem("flow", problem)).cases[0]!.parts;
  assertEquals([error!.message, error!.text], ["Cannot run it: a <flow>", problem.problem]);
});

/** Any characters, with those that XML does not know, halves of some, and what looks like a part of XML. */
function hostileText(random: Random): string {
  const parts = ["]]>", "<![CDATA[", "&amp;", "<!--", "</testcase>", '"', "'", "\r\n", "\t", "\0"];
  parts.push(
    "\ufffe",
    "\uffff",
    "\ud800",
    "\udc00",
    "\u{1f600}",
    "\x1b[31m",
    "\x85",
    "\u2028",
    "a ",
  );
  return Array.from({ length: random.below(12) }, () => {
    return random.below(2) === 0
      ? parts[random.below(parts.length)]
      : String.fromCharCode(random.below(0x10000));
  }).join("");
}

/** What XML 1.0 has of a text. */
function known(text: string): string {
  return text.toWellFormed().replaceAll(/[^\t\n\r\P{Cc}]|[\ufffe\uffff]/gu, (character) => {
    return character >= "\x7f" && character <= "\x9f" ? character : "\ufffd";
  });
}

Deno.test("whatever is recorded, the document is XML that Jenkins takes, and says it", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(300, 5000); round++) {
    const [id, text, output, why] = Array.from({ length: 4 }, () => hostileText(random));
    const failed = nodeOf({ id: id!, state: "failed", text: text! }, printed(output!));
    const skipped = nodeOf({ id: text!, state: "skipped", text: output! });
    const run = { name: `n${id}`, why: [why!] };
    const junit = readJunit(junitOfRun(pageOf([failed, skipped], run), { host: why! }));
    assertEquals(junit.suite.name, known(`n${id}`));
    assertEquals(junit.suite.hostname, known(why!));
    assertEquals(junit.properties.at(-1), ["reason", known(why!)]);
    assertEquals(junit.cases.map(({ name }) => name), [known(id!), known(text!)]);
    const [failure] = junit.cases[0]!.parts;
    assertEquals(failure!.message, known(text!));
    assertEquals(failure!.text, known(`${text}\n\nstderr:\n${output}`));
    readJunit(junitOfProblem(id!, { type: text!, problem: output! }));
  }
});

Deno.test("however much was printed, the document has an end", () => {
  const flood = "\0<&>".repeat(1500);
  const nodes = Array.from({ length: 5000 }, (_, index) => {
    return nodeOf({ id: `n${index}`, state: "failed" }, printed(flood));
  });
  const xml = junitOfRun(pageOf(nodes));
  assert(xml.length < 30_000_000, `it has ${xml.length} characters`);
  const { cases } = readJunit(xml);
  assertEquals(cases.length, 5000);
  assertStringIncludes(cases[0]!.parts[0]!.text, "\ufffd<&>");
  assertEquals(cases.at(-1)!.parts[0]!.text, "[taffrail: left out, as there is much in this file]");
  assertEquals(cases.at(-1)!.parts[0]!.message, "failed, exit code 1");
});
