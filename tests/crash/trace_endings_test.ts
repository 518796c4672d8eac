/** What is on disk after a traced program ended, in every mode and in every way (W-TRC-6). */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { readTrace, type TraceConfig, type TraceMode } from "../../trace/mod.ts";
import { namesIn } from "../_util/files.ts";
import { longCount, withTempDir } from "../_util/temp.ts";
import { nodesOf } from "../trace/_util.ts";
import { Child, type ChildOptions } from "./_child.ts";

/** How a program ended and what it left: each file with its reason and its steps. */
interface Ending {
  code: number;
  signal: string | null;
  stderr: string;
  said: string[];
  files: Record<string, string[]>;
}

function endBy(
  way: string,
  config: Partial<TraceConfig>,
  options: ChildOptions = {},
): Promise<Ending> {
  return withTempDir(async (directory) => {
    const path = `${directory}/trace.json`;
    await using child = new Child("./_programs/tracing.ts", {
      args: [path, way, JSON.stringify(config)],
      ...options,
    });
    const outcome = await child.outcome();
    const files: Record<string, string[]> = {};
    for (const name of namesIn(directory)) {
      const trace = await readTrace(`${directory}/${name}`);
      files[name] = [`${trace.reason}`, ...nodesOf(trace)];
    }
    return { ...outcome, said: child.takeLines(), files };
  });
}

const OK = "a ok";
const IN_FLIGHT = "b in_flight";

/** The exit code of each way, and the file in mode on. */
const WAYS: Record<string, [code: number, on: string[] | undefined, always?: string[]]> = {
  "ok": [0, undefined, ["success", OK]],
  "node-error": [0, ["error", OK, "b boom"]],
  "flow-error": [0, ["error", OK, "unknown boom"]],
  "throw": [1, ["crash", OK, "b boom"]],
  "throw-later": [1, ["crash", OK, "b boom"]],
  "reject": [1, ["crash", OK, "b boom"]],
  "caught": [0, undefined, ["success", OK, "b ok"]],
  "end": [0, ["exit", OK, IN_FLIGHT]],
  "exit": [3, ["exit", OK, IN_FLIGHT]],
  "idle-exit": [3, undefined, ["exit", OK]],
};

/** Windows sends a process no signal but SIGKILL. */
const SIGNAL_WAYS: typeof WAYS = Deno.build.os === "windows" ? {} : {
  "SIGTERM": [143, ["SIGTERM", OK, IN_FLIGHT]],
  "SIGINT": [130, ["SIGINT", OK, IN_FLIGHT]],
  "SIGHUP": [129, ["SIGHUP", OK, IN_FLIGHT]],
  "idle-SIGTERM": [143, ["SIGTERM", OK]],
};

function expectedFiles(file: string[] | undefined): Record<string, string[]> {
  return file === undefined ? {} : { "trace.json": file };
}

for (const [way, [expected, on, always = on]] of Object.entries({ ...WAYS, ...SIGNAL_WAYS })) {
  Deno.test(`a traced program that ends by ${way} leaves what its mode says, and ends as it would`, async () => {
    const wanted: Record<TraceMode, string[] | undefined> = { off: undefined, on, always };
    await Promise.all(
      Object.entries(wanted).map(async ([mode, file]) => {
        const { code, stderr, files } = await endBy(way, { mode: mode as TraceMode });
        assertEquals(code, expected, `${mode}: ${stderr}`);
        assertEquals(files, expectedFiles(file), mode);
        if (code === 1) assertStringIncludes(stderr, "boom");
        else assertEquals(stderr, "");
      }),
    );
  });
}

Deno.test("what was flushed before a SIGKILL is intact, and no more (W-TRC-6)", async () => {
  for (const mode of ["off", "on", "always"] as const) {
    for (const [way, file] of [["flush-kill", ["demand", OK, IN_FLIGHT]], ["kill"]] as const) {
      const { signal, files } = await endBy(way, { mode });
      if (Deno.build.os !== "windows") assertEquals(signal, "SIGKILL");
      assertEquals(files, expectedFiles(mode === "off" || !file ? undefined : [...file]));
    }
  }
});

Deno.test({
  name:
    "a program with its own signal handlers ends as it wants to, and its trace is written before",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const atSignal = ["SIGTERM", OK, IN_FLIGHT];
    const wanted: Record<string, Record<string, string[]>> = {
      off: {},
      on: { "trace.json": atSignal },
      always: { "trace.1.json": atSignal, "trace.json": ["success", OK, "b ok"] },
    };
    for (const [mode, expected] of Object.entries(wanted)) {
      const { code, said, files } = await endBy("own-handler", { mode: mode as TraceMode });
      assertEquals([code, said], [0, ["handled"]]);
      assertEquals(files, expected);
    }
  },
});

Deno.test({
  name: "several recorders in a program each write their trace before a signal ends it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const { code, files } = await endBy("two-recorders", {});
    assertEquals(code, 143);
    assertEquals(files, {
      "trace.json": ["SIGTERM", OK, IN_FLIGHT],
      "trace.json.second": ["SIGTERM", "c in_flight"],
    });
  },
});

Deno.test("a program that is killed while it writes leaves whole files, and no failure that it was told is written is lost (W-TRC-1, W-TRC-2)", async () => {
  for (let round = 0; round < longCount(6, 60); round++) {
    await withTempDir(async (directory) => {
      const path = `${directory}/trace.json`;
      const config = { captureInputs: true, maxSnapshots: 3, bufferSize: 1000 };
      await using child = new Child("./_programs/tracing.ts", {
        args: [path, "failing", JSON.stringify(config)],
      });
      for (let line = 0; line <= round * 3; line++) await child.next();
      await child.kill();
      const told = round * 3 + 1 + child.takeLines().length;
      for (const name of namesIn(directory).filter((name) => name.endsWith(".json"))) {
        const { steps, snapshot } = await readTrace(`${directory}/${name}`);
        // The step in flight is the last one of each.
        assertEquals(steps.length, snapshot! + 2);
        if (name === "trace.json") assert(snapshot! >= told, `${snapshot} of ${told}`);
        else assertEquals(name, `trace.${snapshot}.json`);
      }
    });
  }
});

Deno.test({
  name: "with extras off the step in flight is written as the seed would write it (TRC-12)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    for (const [way, by] of [["SIGTERM", "SIGTERM"], ["end", "exit"]] as const) {
      const { files } = await endBy(way, { extras: false });
      const [reason, a, b] = files["trace.json"]!;
      assertEquals([reason, a], ["undefined", "a undefined"]);
      assertEquals(b, `b the program ended before this step did (${by})`);
    }
    assertEquals((await endBy("throw", { extras: false })).files["trace.json"]![2], "b boom");
  },
});

Deno.test({
  name: "a signal that was ignored when the program began stays ignored",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const wrap = (command: string[]) => ["sh", "-c", `trap '' HUP; exec "$@"`, "sh", ...command];
    const { code, said, files } = await endBy("ignored-SIGHUP", {}, { wrap });
    assertEquals([code, said, files], [0, ["still here"], {}]);
  },
});

Deno.test({
  name:
    "on a full disk the program ends normally, says why there is no trace, and leaves no part of it (TRC-18, W-TRC-5)",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    // 2 MiB; without the trap the process would be killed instead.
    const limit = `trap '' XFSZ; ulimit -f 4096; exec "$@"`;
    const wrap = (command: string[]) => ["sh", "-c", limit, "sh", ...command];
    for (const mode of ["on", "always"] as const) {
      const config = { mode, captureInputs: true };
      const { code, said, files } = await endBy("large-error", config, { wrap });
      assertEquals([code, said, files], [0, ["report: write"], {}]);
    }
    const { said, files } = await endBy("large-error", { captureInputs: true });
    assertEquals(said, ["report: none"]);
    assert("trace.json" in files);
  },
});

Deno.test("without the permission to write the program ends normally, says why, and is asked nothing (TRC-18)", async () => {
  for (const permissions of [[], ["--allow-read"]]) {
    for (const way of ["node-error", "flow-error"]) {
      const { code, stderr, said, files } = await endBy(way, {}, { permissions });
      assertEquals([code, stderr, files], [0, "", {}]);
      assertMatch(said[0]!, /^report: (create-directory|write)$/);
    }
  }
});

Deno.test("the permissions to read and write the directory are enough", () =>
  withTempDir(async (directory) => {
    const path = `${directory}/trace.json`;
    await using child = new Child("./_programs/tracing.ts", {
      args: [path, "throw", "{}"],
      permissions: [`--allow-read=${directory}`, `--allow-write=${directory}`],
    });
    assertEquals((await child.outcome()).code, 1);
    assertEquals(nodesOf(await readTrace(path)), [OK, "b boom"]);
  }));
