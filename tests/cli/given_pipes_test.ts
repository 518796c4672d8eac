import { assertEquals, assertStringIncludes } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS, taffrail } from "./_command.ts";
import { onlyRun, writeFlow } from "./_runs.ts";

/** How a shell hands something over that is no regular file: as input, and as what `<(…)` becomes. */
const WAYS = {
  "/dev/stdin": (file: string) => `cat ${file} | "$@"`,
  "/dev/fd/9": (file: string) => `cat ${file} | { exec 9<&0 </dev/null; "$@"; }`,
};

for (const [path, pipe] of Object.entries(WAYS)) {
  Deno.test(`what a person gives by way of ${path} may be a pipe, unlike the files of a root`, {
    ignore: !HAS_SIGNALS,
  }, () =>
    withTempDir(async (cwd) => {
      const flow = await writeFlow(cwd, { a: "echo out", b: "exit 3" });
      const run = await taffrail(["run", path], { cwd, shell: pipe(flow) });
      assertStringIncludes(run.stdout + run.stderr, "failed, exit code 3");
      const directory = `.taffrail/runs/${await onlyRun(`${cwd}/.taffrail`)}`;
      const given = async (args: string[], name: string) => {
        const { code, stdout, stderr } = await taffrail(args, {
          cwd,
          shell: pipe(`${directory}/${name}`),
        });
        assertEquals([code, stderr], [0, ""], args.join(" "));
        return stdout;
      };
      assertStringIncludes(await given(["replay", path], "capture.json"), "went as recorded");
      assertStringIncludes(await given(["trace", path], "trace.json"), "flow     flow");
      const both = ["diff", path, `${directory}/capture.json`];
      assertStringIncludes(await given(both, "capture.json"), "equal");
    }));
}
