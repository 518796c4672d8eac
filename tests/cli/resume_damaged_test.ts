/** A killed run whose records were damaged: `verify` names the file, and `resume` says what can be done. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { withMemoryDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, taffrail } from "./_command.ts";

interface Damage {
  what: string;
  /** The file of the run, and what becomes of it; undefined: it is removed. */
  file: string;
  damage: ((bytes: Uint8Array) => Uint8Array) | undefined;
  /** What `resume` says. */
  says: string;
  /** Whether `repair` makes it as good as it was. */
  isMended: boolean;
}

const text = (content: string) => () => new TextEncoder().encode(content);
const nuls = (bytes: Uint8Array) => new Uint8Array(bytes.length);
const withMark = (bytes: Uint8Array) => new Uint8Array([0xef, 0xbb, 0xbf, ...bytes]);

function utf16(bytes: Uint8Array): Uint8Array {
  return new Uint8Array([0xff, 0xfe, ...Array.from(bytes, (byte) => [byte, 0]).flat()]);
}

const BY_REPAIR = "makes it again from the journal";
const IS_DAMAGED = "its capture journal is damaged: ";
const IS_EMPTY = "capture.jsonl is missing or empty, so nobody can tell what it had decided";

const DAMAGES: Damage[] = [
  ...[
    { what: "gone", damage: undefined, says: "it has no flow.json: taffrail repair " },
    { what: "garbage", damage: text("garbage\n"), says: BY_REPAIR },
    { what: "empty", damage: text(""), says: BY_REPAIR },
    { what: "NULs", damage: nuls, says: BY_REPAIR },
    { what: "in UTF-16", damage: utf16, says: BY_REPAIR },
  ].map((damage) => ({ ...damage, file: "flow.json", isMended: true })),
  ...[
    { what: "gone", damage: undefined, says: IS_EMPTY },
    { what: "empty", damage: text(""), says: IS_EMPTY },
    { what: "NULs", damage: nuls, says: IS_EMPTY },
    { what: "garbage", damage: text("garbage\n"), says: IS_DAMAGED },
    { what: "with a byte order mark", damage: withMark, says: "byte order mark" },
    { what: "in UTF-16", damage: utf16, says: "UTF-16" },
  ].map((damage) => ({ ...damage, file: "capture.jsonl", isMended: false })),
];

for (const { what, file, damage, says, isMended } of DAMAGES) {
  Deno.test(
    `a killed run whose ${file} is ${what} says how to go on`,
    { ignore: !HAS_SIGNALS },
    () =>
      withMemoryDir(async (cwd) => {
        const runId = await recordAndKill(cwd);
        const path = `.taffrail/runs/${runId}/${file}`;
        if (damage === undefined) await Deno.remove(`${cwd}/${path}`);
        else await Deno.writeFile(`${cwd}/${path}`, damage(await Deno.readFile(`${cwd}/${path}`)));
        const verified = await taffrail(["verify"], { cwd });
        assertEquals(verified.code, 1);
        assertStringIncludes(verified.stdout, `✗ ${path}`);
        const resumed = await taffrail(["resume", runId], { cwd });
        assertEquals(resumed.code, 1);
        assertStringIncludes(resumed.stderr, says);
        const remedy = isMended ? `taffrail repair ${runId}` : "run its flow again";
        assertStringIncludes(resumed.stderr, remedy);
        assertEquals((await taffrail(["repair"], { cwd })).code, isMended ? 0 : 1);
        if (isMended) assertEquals((await taffrail(["verify"], { cwd })).code, 0);
      }),
  );
}

for (const [what, damage] of Object.entries({ empty: text(""), NULs: nuls })) {
  Deno.test(
    `a killed run whose log is ${what} gets its begin again`,
    { ignore: !HAS_SIGNALS },
    () =>
      withMemoryDir(async (cwd) => {
        const runId = await recordAndKill(cwd);
        const path = `.taffrail/runs/${runId}/events.jsonl`;
        const before = await taffrail(["show", runId, "--json"], { cwd });
        await Deno.writeFile(`${cwd}/${path}`, damage(await Deno.readFile(`${cwd}/${path}`)));
        const verified = await taffrail(["verify"], { cwd });
        // What an empty one lacks the journal has, and it is written when the run is gone on with.
        assertEquals(verified.code, what === "empty" ? 0 : 1);
        assertStringIncludes(verified.stdout, path);
        assertEquals((await taffrail(["repair"], { cwd })).code, 0);
        assertEquals((await taffrail(["verify"], { cwd })).code, 0);
        const after = await taffrail(["show", runId, "--json"], { cwd });
        const nodesOf = (stdout: string) =>
          JSON.parse(stdout).nodes.map(({ id, status }: { id: string; status: unknown }) => {
            return [id, status];
          });
        assertEquals(nodesOf(after.stdout), nodesOf(before.stdout));
      }),
  );
}

Deno.test("taffrail resume waits for no pipe that a record names as its flow", {
  ignore: !HAS_SIGNALS,
}, () =>
  withMemoryDir(async (cwd) => {
    const runId = await recordAndKill(cwd);
    const path = `.taffrail/runs/${runId}/flow.json`;
    const record = JSON.parse(await Deno.readTextFile(`${cwd}/${path}`));
    await new Deno.Command("mkfifo", { args: [`${cwd}/pipe`] }).output();
    for (const [place, kind] of [["/dev/zero", "device"], [`${cwd}/pipe`, "named pipe"]]) {
      await Deno.writeTextFile(`${cwd}/${path}`, JSON.stringify({ ...record, path: place }));
      const { code, stderr } = await taffrail(["resume", runId], { cwd });
      assertEquals(code, 1);
      assertStringIncludes(stderr, `Cannot use ${place}: it is a ${kind}`);
      assertStringIncludes(stderr, "name the flow that was run with --flow");
    }
  }));
