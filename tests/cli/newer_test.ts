/** What another version wrote beside a log of today is neither used nor written to, and named clearly. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { recoverCapture, stringifyCaptureBundle } from "../../capture/mod.ts";
import { runtimeDirectory } from "../../store/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, recordAndKill, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

interface Newer {
  what: string;
  /** The file, in the run's directory or in that of its runtime. */
  file: string;
  of: "run" | "runtime";
  change: (text: string) => string;
  /** What `verify` calls it. */
  kind: string;
  says: RegExp;
  /** The verbs that need it, besides those that look for what is wrong. */
  users: string[];
}

const RECORDS: Newer[] = [
  {
    what: "capture journal",
    file: "capture.jsonl",
    of: "run",
    change: (text) => text.replace('"taffrail-v1"', '"taffrail-v2"'),
    kind: "newer",
    says: /its journal_version is 'taffrail-v2', which this .*; use a newer taffrail/,
    users: ["replay", "resume"],
  },
  {
    what: "capture bundle",
    file: "capture.json",
    of: "run",
    change: () => '{"capture_version":"taffrail-v2"}',
    kind: "newer",
    says: /unsupported capture version 'taffrail-v2'; use a newer taffrail/,
    users: ["resume"],
  },
  {
    what: "trace",
    file: "trace.json",
    of: "run",
    change: () => '{"trace_version":2}',
    kind: "newer",
    says: /its trace_version is 2, and this version reads 1.*; use a newer taffrail/,
    users: ["trace", "resume"],
  },
  {
    what: "store snapshot",
    file: "runtime.json",
    of: "runtime",
    change: () => '{"schema_version":2}',
    kind: "schema",
    says: /unsupported schema version 2, expected 1(?:; |.*\n)open it with .*or a newer taffrail/,
    users: ["resume"],
  },
  {
    what: "store journal",
    file: "journal-2.jsonl",
    of: "runtime",
    change: () => '{"format":2,"journal":2}\n',
    kind: "schema",
    says: /unsupported journal format 2, expected 1(?:; |.*\n)open it with .*or a newer taffrail/,
    users: ["resume"],
  },
];

/** All files but the locks, with their contents. */
async function contentOf(directory: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) Object.assign(found, await contentOf(path));
    else if (name !== "live.lock") found[path] = await Deno.readTextFile(path);
  }
  return found;
}

for (const { what, file, of, change, kind, says, users } of RECORDS) {
  Deno.test({
    name: `a ${what} of a newer version is named, and never written to`,
    ignore: !HAS_SIGNALS,
    fn: () =>
      withTempDir(async (cwd) => {
        // It has all files that a run can have, and may be gone on with.
        await taffrail(["exec", "--", "false"], { cwd });
        const root = `${cwd}/.taffrail`;
        const runId = await onlyRun(root);
        assertEquals((await taffrail(["verify"], { cwd })).code, 0);
        const directory = of === "run" ? `${root}/runs/${runId}` : runtimeDirectory(root, runId);
        const path = `${directory}/${file}`;
        await Deno.writeTextFile(path, change(await Deno.readTextFile(path).catch(() => "")));
        // The store only follows: a run is gone on with without it.
        const kept = of === "run" ? root : directory;
        const before = await contentOf(kept);
        for (const verb of ["verify", "repair", ...users]) {
          const operands = verb === "verify" || verb === "repair" ? [] : [runId];
          const { code, stdout, stderr } = await taffrail([verb, ...operands], { cwd });
          // A run is gone on with before its store is written to: what fails then is no end of its command.
          const wanted = verb === "resume" && of === "runtime" ? 125 : 1;
          assertEquals(code, wanted, `${verb}: ${stdout}${stderr}`);
          assertMatch(stdout + stderr, says, verb);
          assertStringIncludes(stdout + stderr, file, verb);
          assertEquals(await contentOf(kept), before, verb);
        }
        const { problems } = JSON.parse((await taffrail(["verify", "--json"], { cwd })).stdout);
        const [problem] = problems;
        assertEquals([problems.length, problem.kind, problem.repair], [1, kind, null]);
        // Those who need none of it do as ever.
        const shown = await taffrail(["show", runId], { cwd });
        assertEquals(shown.code, 0, shown.stderr);
      }),
  });
}

Deno.test({
  name: "a recording whose payloads are lists of bytes is named as one of a former build",
  ignore: !HAS_SIGNALS,
  fn: () =>
    withTempDir(async (cwd) => {
      const runId = await recordAndKill(cwd);
      const journal = `${cwd}/.taffrail/runs/${runId}/capture.jsonl`;
      const asList = (text: string) => {
        return text.replaceAll(/"payload":("(?:[^"\\]|\\.)*")/g, (_, payload) => {
          return `"payload":${JSON.stringify([...new TextEncoder().encode(JSON.parse(payload))])}`;
        });
      };
      const { bundle } = await recoverCapture(journal);
      const file = `${cwd}/capture.json`;
      await Deno.writeTextFile(file, asList(stringifyCaptureBundle(bundle)));
      await Deno.writeTextFile(journal, asList(await Deno.readTextFile(journal)));
      const before = await Deno.readTextFile(journal);
      const says = /payload: it is a list of bytes, as builds before 0\.1\.0 .*; record it again/;
      for (const args of [["verify"], ["replay", runId], ["replay", file], ["resume", runId]]) {
        const { code, stdout, stderr } = await taffrail(args, { cwd });
        assertEquals(code, 1, `${args}: ${stdout}${stderr}`);
        assertMatch(stdout + stderr, says, `${args}`);
        assertEquals(await Deno.readTextFile(journal), before, `${args}`);
      }
    }),
});
