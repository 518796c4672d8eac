import { assert, assertEquals, assertRejects } from "@std/assert";
import { EventLogError, newEventId, openEventLog, verifyRun } from "../../eventlog/mod.ts";
import { MAX_LINE_BYTES } from "../../_internal/json_lines.ts";
import { appendTo, namesIn, readBytes, sameBytes, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { bytesOf, numberedLines, openLog, pathOf, RUN_ID, writeRun } from "./_runs.ts";

const FIRST = "01kpfntqeej7vhn935kc0tm9v0";
const SECOND = "01kpfntqeej7vhn935kc0tm9v1";
const THIRD = "01kpfntqeej7vhn935kc0tm9v2";

/** The line of an event of the vocabulary. */
function line(type: string, id: string, runId = RUN_ID): string {
  return JSON.stringify({ type, id, ts: "2026-04-15T12:00:00Z", run_id: runId, node_id: "a" }) +
    "\n";
}

/** What is wrong with a run of this content: kind, line and offset of each problem. */
async function problemsOf(root: string, content: string | Uint8Array): Promise<unknown[]> {
  writeRun(root, content);
  const { ok, problems } = await verifyRun(root, RUN_ID);
  assertEquals(ok, problems.length === 0);
  assert(problems.every(({ message }) => message !== ""));
  return problems.map(({ kind, line, byteOffset }) => [kind, line, byteOffset]);
}

Deno.test("verifyRun() finds nothing wrong with a healthy run, also of events of any other kind", () =>
  withTempDir(async (root) => {
    assertEquals(await problemsOf(root, ""), []);
    const healthy = line("pipe.started", FIRST) + line("node.started", SECOND) +
      line("later.type", "any id", "any run") + line("pipe.completed", THIRD);
    assertEquals(await problemsOf(root, healthy), []);
    assertEquals(await problemsOf(root, numberedLines(1000)), []);
    assertEquals((await verifyRun(root, RUN_ID)).lines, 1000);
  }));

Deno.test("verifyRun() finds nothing wrong with what the log wrote itself", () =>
  withTempDir(async (root) => {
    const base = () => ({ id: newEventId(), ts: "2026-04-15T12:00:00Z", run_id: RUN_ID });
    await using log = await openEventLog({ root, runId: RUN_ID });
    await log.append({
      ...base(),
      type: "pipe.started",
      pipe: "demo",
      inputs: [],
      distro_version: "1",
    });
    await log.append({ ...base(), type: "pipe.completed" });
    assertEquals(await verifyRun(root, RUN_ID), {
      ok: true,
      lines: 2,
      problems: [],
      notes: [],
    });
  }));

Deno.test("verifyRun() finds each kind of bad line, with its line and offset", () =>
  withTempDir(async (root) => {
    const one = numberedLines(1);
    const cases: [content: string | Uint8Array, kind: string][] = [
      ["garbage\n", "not-json"],
      ["\n", "not-json"],
      ["[]\n", "not-json"],
      [new Uint8Array([0xff, 10]), "not-utf8"],
      ["\0\0{}\n", "nul-run"],
      ['{"n":12345678901234567890}\n', "number"],
      [`"${"x".repeat(MAX_LINE_BYTES)}"\n`, "too-long"],
      ['{"torn":', "torn"],
    ];
    for (const [content, kind] of cases) {
      assertEquals(await problemsOf(root, bytesOf(one, content)), [[kind, 2, 8]]);
    }
  }));

Deno.test("verifyRun() finds ids out of order and double (OEV-1, W-OMN-9)", () =>
  withTempDir(async (root) => {
    const first = line("node.started", FIRST);
    const second = line("node.started", SECOND);
    const third = line("node.started", THIRD);
    const size = first.length;
    assertEquals(await problemsOf(root, first + second + second + third), [
      ["id-double", 3, 2 * size],
    ]);
    assertEquals(await problemsOf(root, first + third + second + third), [
      ["id-order", 2, size],
    ]);
    assertEquals(await problemsOf(root, first + "garbage\n" + second), [["not-json", 2, size]]);
  }));

Deno.test("verifyRun() tells of one damaged id once, wherever it stands and whatever it has become", () =>
  withTempDir(async (root) => {
    const ids = Array.from({ length: 12 }, () => newEventId());
    const size = line("node.started", FIRST).length;
    for (const index of [0, 1, 5, 10]) {
      for (const [at, byte] of [[0, "z"], [0, "A"], [9, "~"], [25, "!"]] as const) {
        const damaged = ids.map((id, place) => {
          return place === index ? id.slice(0, at) + byte + id.slice(at + 1) : id;
        });
        const problems = await problemsOf(root, damaged.map((id) => line("later", id)).join(""));
        // Of a type that is not known an id may be anything.
        assertEquals(problems, []);
        const text = damaged.map((id) => line("node.started", id)).join("");
        const isSeen = damaged.some((id, place) => place > 0 && id <= damaged[place - 1]!);
        assertEquals(
          await problemsOf(root, text),
          isSeen ? [["id-order", index + 1, index * size]] : [],
          `${byte} at ${at} of the id in line ${index + 1}`,
        );
      }
    }
  }));

Deno.test("verifyRun() tells of a damaged id in a block that has been read before", () =>
  withTempDir(async (root) => {
    const long = (id: string) => {
      const event = JSON.parse(line("node.started", id));
      return `${JSON.stringify({ ...event, name: "x".repeat(300_000) })}\n`;
    };
    const own = long(FIRST);
    const lines = own + long(THIRD.replace("0", "9")) + long(SECOND) + long(THIRD);
    assertEquals(await problemsOf(root, lines), [["id-order", 2, own.length]]);
  }));

Deno.test("verifyRun() finds events of another run", () =>
  withTempDir(async (root) => {
    const own = line("node.started", FIRST);
    const foreign = line("node.completed", SECOND, "other");
    assertEquals(await problemsOf(root, own + foreign), [["foreign-run", 2, own.length]]);
    const { problems } = await verifyRun(root, RUN_ID);
    assertEquals(problems[0]?.message, 'the event is of run "other"');
  }));

/** A log of events of these types, each with a greater id and some seconds later than the one before. */
function linesOfRun(...events: [type: string, second: number, members?: object][]): string[] {
  return events.map(([type, second, members], index) => {
    const id = `01kpfntqeej7vhn935kc0tm${String(100 + index)}`;
    const ts = new Date(Date.UTC(2026, 3, 15, 12, 0, second)).toISOString();
    return `${JSON.stringify({ ...JSON.parse(line(type, id)), ts, ...members })}\n`;
  });
}

const RESUMED = { pipe: "demo", resumed: true };

Deno.test("verifyRun() finds events after the terminal one (OEV-6, W-OMN-9)", () =>
  withTempDir(async (root) => {
    for (const end of ["pipe.completed", "pipe.aborted"]) {
      for (const type of ["node.started", "pipe.completed", "pipe.started"]) {
        const lines = linesOfRun(["pipe.started", 0], [end, 1], [type, 2]);
        const offset = lines[0]!.length + lines[1]!.length;
        assertEquals(await problemsOf(root, lines.join("")), [["after-end", 3, offset]]);
      }
    }
  }));

Deno.test("verifyRun() finds nothing wrong with a run that was gone on with", () =>
  withTempDir(async (root) => {
    const lines = linesOfRun(
      ["pipe.started", 0],
      ["node.started", 1],
      ["pipe.aborted", 3],
      ["pipe.started", 9, RESUMED],
      ["node.started", 9],
      ["pipe.aborted", 10],
      ["pipe.started", 11, RESUMED],
      ["pipe.completed", 12],
    );
    for (let count = 1; count <= lines.length; count++) {
      assertEquals(await problemsOf(root, lines.slice(0, count).join("")), [], `${count} lines`);
    }
    const late = lines.join("") + line("node.started", newEventId()).replace("-04-", "-05-");
    assertEquals((await problemsOf(root, late)).length, 1);
  }));

Deno.test("verifyRun() finds nothing wrong with what the log had lacked until a run was gone on with", () =>
  withTempDir(async (root) => {
    const told = linesOfRun(
      ["pipe.started", 0],
      ["pipe.aborted", 3],
      ["node.started", 1],
      ["node.completed", 3],
      ["pipe.started", 9, RESUMED],
    );
    // Whoever tells it may be killed at any line.
    for (let count = 1; count <= told.length; count++) {
      assertEquals(await problemsOf(root, told.slice(0, count).join("")), [], `${count} lines`);
    }
    // A clock that was set back makes it look younger than the end, until the run is gone on with.
    const younger = linesOfRun(
      ["pipe.started", 0],
      ["pipe.aborted", 3],
      ["node.completed", 4],
      ["pipe.aborted", 2],
      ["pipe.started", 9, RESUMED],
    );
    const kinds = async (count: number) => {
      const found = await problemsOf(root, younger.slice(0, count).join(""));
      return (found as [string, number][]).map(([kind, at]) => [kind, at]);
    };
    assertEquals(await kinds(4), [["after-end", 3], ["after-end", 4]]);
    assertEquals(await kinds(5), [["after-end", 4]]);
  }));

Deno.test("verifyRun() notes damage that was known when the run was gone on with", () =>
  withTempDir(async (root) => {
    const lines = linesOfRun(
      ["pipe.started", 0],
      ["pipe.started", 9, { ...RESUMED, damaged: [[2, 3]] }],
      ["pipe.completed", 10],
    ).toSpliced(1, 0, "garbage\n", "\0\0\n");
    assertEquals(await problemsOf(root, lines.join("")), []);
    const { notes } = await verifyRun(root, RUN_ID);
    assertEquals(notes.map(({ kind, line }) => [kind, line]), [["not-json", 2], ["nul-run", 3]]);
    const more = lines.toSpliced(4, 0, "garbage\n").join("");
    const offset = lines.slice(0, 4).join("").length;
    assertEquals(await problemsOf(root, more), [["not-json", 5, offset]]);
    assertEquals((await verifyRun(root, RUN_ID)).notes.length, 2);
  }));

Deno.test("verifyRun() finds the problem of an event behind NULs too, in order", () =>
  withTempDir(async (root) => {
    const own = line("node.started", FIRST);
    const content = own + "\0".repeat(700_000) + line("node.started", FIRST) + "garbage\n";
    assertEquals(await problemsOf(root, content), [
      ["nul-run", 2, own.length],
      ["id-double", 2, own.length],
      ["not-json", 3, 2 * own.length + 700_000],
    ]);
  }));

Deno.test("verifyRun() names the right offset in every block of a long run", () =>
  withTempDir(async (root) => {
    const foreign = line("node.started", FIRST, "other");
    const content = foreign.repeat(10_000);
    const wanted = Array.from({ length: 10_000 }, (_, index) => [
      "foreign-run",
      index + 1,
      index * foreign.length,
    ]);
    assertEquals(await problemsOf(root, content), wanted);
  }));

Deno.test("verifyRun() changes nothing, also while the run is written", () =>
  withTempDir(async (root) => {
    const path = writeRun(root, numberedLines(3) + '{"torn":');
    const before = readBytes(path);
    await verifyRun(root, RUN_ID);
    assert(sameBytes(readBytes(path), before));
    assertEquals(namesIn(`${root}/runs/${RUN_ID}`), ["events.jsonl"]);
    await using log = await openLog(root);
    const appending = log.append({ n: 4 });
    assert((await verifyRun(root, RUN_ID)).ok);
    await appending;
    appendTo(path, "x");
    assertEquals((await verifyRun(root, RUN_ID)).problems.map(({ kind }) => kind), ["torn"]);
  }));

Deno.test("verifyRun() says why it cannot", () =>
  withTempDir(async (root) => {
    const verifying = () => verifyRun(root, RUN_ID);
    assertEquals((await assertRejects(verifying, EventLogError)).kind, "io");
    await Deno.mkdir(pathOf(root), { recursive: true });
    await assertRejects(verifying, TypeError, "it is a directory");
    write(pathOf(root, "run.json"), '{"format":9}');
    assertEquals((await assertRejects(verifying, EventLogError)).kind, "format");
  }));
