/** The page of a run stays small, shows nothing that is secret, and is harmed by nothing that a record says. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { pageHtml } from "../../cli/report/page_html.ts";
import type { PageData } from "../../cli/report/page_data.ts";
import { openEventLogSync } from "../../eventlog/mod.ts";
import { outputPath } from "../../_internal/root_layout.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { dataIn, nodeIn, pageDataOf } from "./_page.ts";

const ROOT = ".taffrail";
const BASE = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: "2026-04-15T12:00:00.000Z", run_id: "r" };
const MEBIBYTE = 1024 * 1024;

/** What would steer a terminal, or make text look like another one. */
const STEERING = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

/** Writes a log as any program may. */
function writeLog(root: string, events: readonly Record<string, unknown>[]): void {
  using log = openEventLogSync<Record<string, unknown>>({ root, runId: "r" });
  log.appendAllSync(events.map((event) => ({ ...BASE, ...event })));
}

/** A run of many nodes of which each has printed far more than a page has room for. */
function writeLoudRun(root: string, count: number): void {
  const ids = Array.from({ length: count }, (_, at) => `package-${at}`);
  writeLog(root, [
    { type: "pipe.started", pipe: "loud", inputs: [], distro_version: "1", nodes: ids },
    ...ids.flatMap((id, at) => {
      const node = { node_id: id, attempt: 1 };
      const isBad = at % 50 === 49;
      return [
        { ...node, type: "node.started", kind: "command", name: `build ${id}` },
        isBad
          ? { ...node, type: "node.failed", error: { kind: "crash", exit_code: 1 }, duration_ms: 5 }
          : { ...node, type: "node.completed", duration_ms: at },
      ];
    }),
    { type: "pipe.aborted", reason: "node package-49 failed: crash", duration_ms: 999 },
  ]);
  Deno.mkdirSync(`${root}/runs/r/nodes`);
  for (const nodeId of ids) {
    for (const stream of ["out", "err"] as const) {
      const lines = Array.from({ length: 400 }, (_, line) => `${line} ${'"<\\é"'.repeat(30)}\n`);
      Deno.writeTextFileSync(
        outputPath({ root, runId: "r" }, { nodeId, attempt: 1, stream }),
        lines.join(""),
      );
    }
  }
}

Deno.test("a page of 300 loud nodes is smaller than 3 MB, and has the ends of all that failed", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    writeLoudRun(root, 300);
    const page = await pageDataOf(root, "r");
    const { length } = new TextEncoder().encode(await pageHtml(page));
    assert(length < 3e6, `it has ${length} bytes`);
    for (const { id, state, attempts } of page.nodes) {
      if (state !== "failed") continue;
      assertEquals(attempts[0]!.outputs.map(({ stream }) => stream), ["stderr", "stdout"], id);
      for (const { text, note } of attempts[0]!.outputs) {
        assertEquals(note, "its end only");
        assertStringIncludes(text, "\n399 ");
      }
    }
    const silent = page.nodes.filter(({ attempts }) => attempts[0]!.outputs.length === 0);
    assertEquals(page.left, silent.length);
    assert(page.left > 0 && page.left < 250, `${page.left} were left out`);
    // There is room for what took longest.
    const last = nodeIn(page, "package-298").attempts[0]!;
    assert(last.outputs.length === 2 && silent[0]!.attempts[0]!.endMs! < last.endMs!);
  });
});

Deno.test("a page that is read again reads no output of what had ended before", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    const started = (id: string) => {
      return { type: "node.started", node_id: id, kind: "command", attempt: 1 };
    };
    writeLog(root, [
      { type: "pipe.started", pipe: "p", inputs: [], distro_version: "1" },
      ...["ended", "cut-off"].map(started),
      { type: "node.completed", node_id: "ended", attempt: 1, duration_ms: 5 },
    ]);
    await Deno.mkdir(`${root}/runs/r/nodes`);
    const print = async (text: string) => {
      for (const nodeId of ["ended", "cut-off", "begun-later"]) {
        const of = { nodeId, attempt: 1, stream: "out" } as const;
        await Deno.writeTextFile(outputPath({ root, runId: "r" }, of), text);
      }
    };
    const textsOf = ({ nodes }: PageData) => {
      return nodes.map(({ attempts: [attempt] }) => attempt!.outputs.map(({ text }) => text));
    };
    await print("first");
    const before = await pageDataOf(root, "r");
    assertEquals(textsOf(before), [["first"], ["first"]]);
    await print("second");
    writeLog(root, [
      started("begun-later"),
      { type: "node.completed", node_id: "begun-later", attempt: 1, duration_ms: 5 },
    ]);
    assertEquals(textsOf(await pageDataOf(root, "r", before)), [["first"], ["second"], ["second"]]);
    assertEquals(textsOf(await pageDataOf(root, "r")), [["second"], ["second"], ["second"]]);
  });
});

Deno.test("a page has *** where secret values stood, as the records have", async () => {
  await withTempDir(async (cwd) => {
    const nodes = { n: { sh: 'echo "it is $TOKEN"; exit 1', env: { TOKEN: "hunter2-hunter2" } } };
    const flow = { name: "f", secret: ["TOKEN"], nodes };
    await Deno.writeTextFile(`${cwd}/f.json`, JSON.stringify(flow));
    await taffrail(["run", "f.json"], { cwd });
    const page = await pageDataOf(`${cwd}/${ROOT}`);
    assertEquals(nodeIn(page, "n").attempts[0]!.outputs[0]!.text, "it is ***");
    assertEquals(new Map(nodeIn(page, "n").about).get("variables"), "TOKEN");
    assert(!(await pageHtml(page)).includes("hunter2"));
  });
});

Deno.test("whatever a log says, the texts of a page steer nothing, are short, and are told apart", async () => {
  await withTempDir(async (cwd) => {
    const text = "e\x1b]0;T\x07\x1b[31m\x9b2J\u202ex\u2066\u061c\u2028\u0085</script><!--";
    const long = "x".repeat(MEBIBYTE);
    const ids = [
      text,
      `${text}\u2029`,
      `${long}a`,
      `${long}b`,
      "__proto__",
      "~0",
      "~1",
      " ",
      "#node",
    ];
    const started = ids.map((id) => {
      return { type: "node.started", node_id: id, kind: text, name: long, attempt: 1 };
    });
    writeLog(`${cwd}/${ROOT}`, [
      { type: "pipe.started", pipe: text, inputs: [], distro_version: text, nodes: ids },
      ...started,
      { type: "node.failed", node_id: text, attempt: 1, error: { kind: text }, message: text },
      { type: "node.failed", node_id: ids[2], attempt: 1, error: { kind: text }, message: long },
      { type: "pipe.aborted", reason: text, duration_ms: 1 },
    ]);
    const page = await pageDataOf(`${cwd}/${ROOT}`, "r");
    const html = await pageHtml(page);
    assert(!STEERING.test(html));
    assert(html.isWellFormed() && html.length < 400_000, `it has ${html.length} characters`);
    assertEquals(dataIn(html), page);
    const keys = page.nodes.map(({ id, key = id }) => key);
    assertEquals(new Set(keys).size, ids.length, keys.join(" "));
    assertEquals(keys.slice(4), ["__proto__", "~5", "~6", " ", "#node"]);
    assertStringIncludes(page.nodes[2]!.id, "… (1048577 characters)");
    assertStringIncludes(page.nodes[0]!.id, "\\u001b]0;T\\u0007");
  });
});

Deno.test("no time that a log says stretches a page beyond what can be", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    const node = (id: string, begin: string, durationMs: number) => [
      { ts: begin, type: "node.started", node_id: id, kind: "command", attempt: 1 },
      { type: "node.completed", node_id: id, attempt: 1, duration_ms: durationMs },
    ];
    writeLog(root, [
      { type: "pipe.started", pipe: "p", inputs: [], distro_version: "1" },
      ...node("good", "2026-04-15T12:00:01.000Z", 5),
      ...node("long", "2026-04-15T12:00:01.000Z", 1e300),
      ...node("back", "2026-04-15T12:00:01.000Z", -1e300),
      ...node("far", "9999-12-31T23:59:59.000Z", 5),
      ...node("none", "yesterday", 5),
    ]);
    const { nodes } = await pageDataOf(root, "r");
    const times = nodes.map(({ attempts: [{ startMs, endMs } = {}] }) => [startMs, endMs]);
    const century = 100 * 365 * 86_400_000;
    assertEquals(times, [
      [1000, 1005],
      [1000, 1000 + century],
      [1000, 1000],
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });
});

Deno.test("no output outside of its run gets into a page, whatever a node is called", async () => {
  await withTempDir(async (cwd) => {
    const root = `${cwd}/${ROOT}`;
    const id = "../../../secret";
    writeLog(root, [
      { type: "pipe.started", pipe: "p", inputs: [], distro_version: "1" },
      { type: "node.started", node_id: id, kind: "command", attempt: 1 },
      { type: "node.failed", node_id: id, attempt: 1, error: { kind: "crash" } },
    ]);
    await Deno.writeTextFile(`${cwd}/secret.1.out`, "of somebody else");
    assertEquals((await pageDataOf(root, "r")).nodes[0]!.attempts[0]!.outputs, []);
  });
});
