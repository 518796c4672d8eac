import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { type Ended, taffrail } from "./_command.ts";

/** A title, a colour, an 8-bit sequence, text from right to left, an erasure, and a line of its own. */
const HOSTILE = "e\x1b]0;T\x07\x1b[31m\x9b2J\x7f\u202ex\u2066\u061c\u2028\u0085\r\x08";

const STEERING = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

const RUN = "hostile-01kpfntqeej7vhn935kc0tm9vn";

/** A log in which every text that is shown, and some that should be numbers, are hostile. */
async function writeHostileRun(cwd: string): Promise<void> {
  const text = HOSTILE;
  const base = { id: "01kpfntqeej7vhn935kc0tm9vp", ts: `2026-04-15T12:00:00Z${text}`, run_id: RUN };
  const node = { ...base, node_id: `n${text}` };
  const events = [
    { ...base, type: "pipe.started", pipe: text, inputs: [], distro_version: text },
    { ...node, type: "node.started", kind: text, name: text, attempt: text },
    { ...node, type: "node.failed", error: { kind: text, exit_code: text }, message: text },
    { ...node, type: "node.started", kind: text, name: text, attempt: 2 },
    { ...node, type: "node.failed", error: { kind: text, signal: text }, duration_ms: text },
    { ...base, type: "pipe.aborted", reason: text, duration_ms: text },
    { ...base, type: text, [text]: text },
  ];
  const directory = `${cwd}/.taffrail/runs/${RUN}`;
  await Deno.mkdir(directory, { recursive: true });
  const lines = events.map((event) => `${JSON.stringify(event)}\n`).join("");
  await Deno.writeTextFile(`${directory}/events.jsonl`, `${lines}{"${text}\n`);
}

function assertHarmless({ stdout, stderr }: Ended, args: string[]): void {
  for (const text of [stdout, stderr]) {
    assert(!STEERING.test(text), `${args.join(" ")} printed ${JSON.stringify(text)}`);
  }
}

Deno.test("no verb passes what steers a terminal on from a record, in text or in JSON", async () => {
  await withTempDir(async (cwd) => {
    await writeHostileRun(cwd);
    const verbs = [["ls"], ["show", RUN], ["report", RUN], ["logs", RUN], ["follow", RUN], [
      "stop",
      RUN,
    ], [
      "verify",
    ]];
    for (const args of [...verbs, ["repair"], ["prune", "--dry-run", "--older-than", "1s"]]) {
      for (const given of [args, [...args, "--json"]]) {
        const ended = await taffrail(given, { cwd });
        assertHarmless(ended, given);
        assert(ended.stdout + ended.stderr !== "", given.join(" "));
      }
    }
    const { stdout } = await taffrail(["show", RUN, "--json"], { cwd });
    assertEquals(JSON.parse(stdout).pipe, HOSTILE);
    const shown = await taffrail(["show", RUN], { cwd });
    assertStringIncludes(shown.stdout, "e\\u001b]0;T\\u0007\\u001b[31m\\u009b2J\\u007f\\u202ex");
  });
});

Deno.test("no verb passes what steers a terminal on from its arguments, or from a file that it reads", async () => {
  await withTempDir(async (cwd) => {
    const text = HOSTILE.replace("\u0085", "");
    const path = `f${text}.json`;
    await Deno.writeTextFile(`${cwd}/${path}`, JSON.stringify({ name: text, [text]: text }));
    const node = { run: [`no-such-program${text}`], cwd: text, needs: [text] };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify({ name: "f", nodes: { n: node } }));
    const asked = [
      [text],
      [`--${text}`],
      ["ls", text],
      ["ls", `--${text}`],
      ["ls", "--root", text],
      ["ls", "--state", text],
      ["show", text],
      ["logs", text, text],
      ["verify", text],
      ["stop", text],
      ["resume", text],
      ["diff", text, path],
      ["replay", path],
      ["trace", path],
      ["run", path],
      ["run", "flow.json"],
      ["run", "--tasks", text],
      ["exec", "--name", text, "--", "true"],
      ["exec", "--", text],
    ];
    for (const args of asked) {
      const ended = await taffrail(args, { cwd });
      assertHarmless(ended, args);
      assert(ended.code !== 0 || args.includes("--root"), args.join(" "));
    }
  });
});

Deno.test("a failed command's output is shown without what steers a terminal", async () => {
  await withTempDir(async (cwd) => {
    const print =
      `printf '\\033[31mred\\033[0m \\033]0;T\\007 \\302\\233 \\342\\200\\256 end\\n' >&2; exit 1`;
    const flow = { name: "f", nodes: { n: { run: ["sh", "-c", print] } } };
    await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
    const ran = await taffrail(["run", "flow.json"], { cwd });
    assertHarmless(ran, ["run"]);
    assertStringIncludes(ran.stdout, "  | red  \\u009b \\u202e end\n");
  });
});

Deno.test("no verb answers deep nesting in a log with words of the engine", async () => {
  await withTempDir(async (cwd) => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    const base = `"id":"01kpfntqeej7vhn935kc0tm9vp","ts":"2026-04-15T12:00:00Z","run_id":"${RUN}"`;
    const node = `${base},"node_id":"a"`;
    const lines = [
      `{"type":"pipe.started",${base},"pipe":"d","inputs":${deep},"nodes":[${deep}]}`,
      `{"type":"node.started",${node},"kind":${deep},"attempt":${deep},"name":${deep}}`,
      `{"type":"node.failed",${node},"error":{"kind":"crash","exit_code":${deep}},"signal":${deep}}`,
      `{"type":"node.failed",${node},"error":{"kind":${deep}},"message":${deep}}`,
      `{"type":"gate.passed",${node},"gate":${deep},"method":${deep}}`,
      `{"type":"iteration.started",${node},"iteration":${deep}}`,
      `{"type":"other",${base},"node_id":${deep}}`,
    ];
    const directory = `${cwd}/.taffrail/runs/${RUN}`;
    await Deno.mkdir(directory, { recursive: true });
    await Deno.writeTextFile(`${directory}/events.jsonl`, `${lines.join("\n")}\n`);
    const verbs = [["ls"], ["show", RUN], ["logs", RUN], ["follow", RUN], ["stop", RUN], [
      "resume",
      RUN,
    ]];
    for (const args of [...verbs, ["verify"], ["repair"], ["prune", "--dry-run", "--keep", "0"]]) {
      for (const given of [args, [...args, "--json"]]) {
        const { stdout, stderr } = await taffrail(given, { cwd });
        assert(!/call stack|Cannot (?:read|convert)/.test(stderr + stdout), given.join(" "));
      }
    }
  });
});
