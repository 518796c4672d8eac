import { assertEquals } from "@std/assert";
import { parseCaptureBundle, writeCaptureBundle } from "../../capture/mod.ts";
import { openEventLog } from "../../eventlog/mod.ts";
import { TraceRecorder } from "../../trace/mod.ts";
import { namesIn, readText, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { Child } from "./_child.ts";

const BUNDLE = parseCaptureBundle(
  '{"capture_version":"v3","graph_id":"g","config":{"max_in_flight":null,"max_per_window":null,' +
    '"rate_window":null,"deadline":null,"max_retries":0},"events":[],"decisions":[],' +
    '"adapter_provenance":"none","runtime_provenance":"r"}',
);

/** Whatever writes a file of this name, and with it sweeps what others left of it. */
const writers: Record<string, (directory: string) => Promise<unknown>> = {
  "capture.json": (directory) => writeCaptureBundle(`${directory}/capture.json`, BUNDLE),
  "trace.json": (directory) =>
    new TraceRecorder({
      config: { outPath: `${directory}/trace.json` },
      context: { pack_ref: "a", flow_id: "b", flow_version: "1" },
      runId: "r",
    }).flushError("boom"),
  "flow.json": async (directory) => {
    const [root = "", runId = ""] = directory.split("/runs/");
    await (await openEventLog({ root, runId })).close();
  },
};

for (const [name, writeAgain] of Object.entries(writers)) {
  Deno.test(
    `what a killed process left of ${name} goes when it is written again, and nothing else`,
    {
      ignore: Deno.build.os === "windows",
    },
    () =>
      withTempDir(async (root) => {
        const directory = `${root}/runs/demo`;
        await Deno.mkdir(directory, { recursive: true });
        await writeAgain(directory);
        const others = ["report.2025.12.tmp", `old-${name}.1.2.tmp`, `${name}.1.tmp`];
        for (const other of others) write(`${directory}/${other}`, "precious");
        const kept = namesIn(directory);
        const leftover = () => namesIn(directory).filter((other) => !kept.includes(other));

        const start = async () => {
          const child = new Child("./_programs/replacer.ts", { args: [`${directory}/${name}`] });
          assertEquals(await child.next(), "half");
          return child;
        };
        await using living = await start();
        await using killed = await start();
        assertEquals(leftover().length, 2);
        await killed.kill();
        await writeAgain(directory);
        assertEquals(leftover().length, 1);
        await writeAgain(directory);
        await living.send("");
        assertEquals(await living.next(), "done");
        await living.end();
        assertEquals(leftover().filter((other) => other !== name), []);
        assertEquals(readText(`${directory}/${name}`), '{"half":true}\n');
      }),
  );
}
