import { assertEquals, assertThrows } from "@std/assert";
import { VERSION } from "../../_internal/version.ts";
import { traceConfigFromEnv, TraceRecorder } from "../../trace/mod.ts";

function fromEnv(variables: Record<string, string>, prefix?: string) {
  const env = (name: string) => variables[name];
  return traceConfigFromEnv({ env, ...(prefix !== undefined && { prefix }) });
}

Deno.test("without variables the configuration is the seed's (TRC-1, TRC-4)", () => {
  assertEquals(fromEnv({}), {
    mode: "on",
    outPath: "trace.json",
    bufferSize: 20,
    bufferBytes: 16_777_216,
    captureInputs: false,
    extras: true,
    maxSnapshots: 10,
    runnerVersion: VERSION,
  });
});

Deno.test("path and captured inputs come from variables with either prefix; only a 1 captures (TRC-1)", () => {
  for (const prefix of ["TAFFRAIL_", "GREENTIC_", ""]) {
    const path = { [`${prefix}TRACE_OUT`]: "/tmp/t.json" };
    assertEquals(fromEnv(path, prefix).outPath, "/tmp/t.json");
    for (const value of ["1", "0", "true", "", " 1", "01"]) {
      const capture = { [`${prefix}TRACE_CAPTURE_INPUTS`]: value };
      assertEquals(fromEnv(capture, prefix).captureInputs, value === "1");
    }
  }
  assertEquals(fromEnv({ GREENTIC_TRACE_OUT: "/tmp/t.json" }).outPath, "trace.json");
});

Deno.test("mode and bounds come from variables, and nonsense is refused (TRC-2)", () => {
  const config = fromEnv({
    TAFFRAIL_TRACE: "always",
    TAFFRAIL_TRACE_BUFFER_SIZE: "0",
    TAFFRAIL_TRACE_BUFFER_BYTES: "1000",
  });
  assertEquals([config.mode, config.bufferSize, config.bufferBytes], ["always", 0, 1000]);
  assertThrows(() => fromEnv({ TAFFRAIL_TRACE: "ON" }), TypeError, 'TAFFRAIL_TRACE "ON"');
  for (const text of ["", "-1", "1.5", "1e3", "many", "9".repeat(20)]) {
    assertThrows(() => fromEnv({ TAFFRAIL_TRACE_BUFFER_SIZE: text }), RangeError, `"${text}"`);
  }
});

Deno.test("the original program has no variable for the mode and the bounds (TRC-1)", () => {
  const variables = {
    GREENTIC_TRACE: "off",
    GREENTIC_TRACE_BUFFER_SIZE: "nonsense",
    GREENTIC_TRACE_BUFFER_BYTES: "1",
  };
  assertEquals(fromEnv(variables, "GREENTIC_"), fromEnv({}));
  assertEquals(fromEnv({ MINE_TRACE: "off" }, "MINE_").mode, "off");
});

Deno.test("overrides win over the environment, and say nothing where they are undefined (TRC-2)", () => {
  const variables: Record<string, string> = {
    TAFFRAIL_TRACE: "off",
    TAFFRAIL_TRACE_OUT: "/tmp/t.json",
    TAFFRAIL_TRACE_CAPTURE_INPUTS: "1",
    GIT_SHA: "abc",
  };
  const env = (name: string) => variables[name];
  const overrides = {
    mode: "always",
    captureInputs: false,
    gitSha: "def",
    maxSnapshots: 0,
  } as const;
  assertEquals(traceConfigFromEnv({ env, overrides: { ...overrides, outPath: undefined } }), {
    ...fromEnv(variables),
    ...overrides,
  });
  assertEquals(traceConfigFromEnv({ env, overrides: {} }), fromEnv(variables));
  const wrong = (wrong: object) => () => traceConfigFromEnv({ env, overrides: wrong });
  assertThrows(wrong({ mode: "ON" }), TypeError, 'Cannot use mode "ON"');
  assertThrows(wrong({ bufferSize: -1 }), RangeError, "bufferSize -1");
});

Deno.test("the commit is that of GIT_SHA, which hides GITHUB_SHA even when it is empty (TRC-3)", () => {
  const cases: [Record<string, string>, string | undefined][] = [
    [{ GIT_SHA: " abc\n", GITHUB_SHA: "def" }, "abc"],
    [{ GITHUB_SHA: " def " }, "def"],
    [{ GIT_SHA: "", GITHUB_SHA: "def" }, undefined],
    [{ GIT_SHA: "  " }, undefined],
    // Rust calls U+0085 white space, and U+FEFF not; JavaScript's trim() does the reverse.
    [{ GIT_SHA: "\u0085 abc\u3000\u0085" }, "abc"],
    [{ GIT_SHA: "\ufeffabc" }, "\ufeffabc"],
    [{ GIT_SHA: "\u0085", GITHUB_SHA: "def" }, undefined],
    [{}, undefined],
  ];
  for (const [variables, expected] of cases) {
    const config = fromEnv(variables);
    assertEquals(config.gitSha, expected);
    assertEquals("gitSha" in config, expected !== undefined);
  }
});

Deno.test("a recorder refuses a mode or a bound that is none", () => {
  const context = { pack_ref: "p", flow_id: "f" };
  const make = (config: object) => new TraceRecorder({ config, context });
  assertThrows(() => make({ mode: "sometimes" }), TypeError, "give one of off, on, always");
  for (const name of ["bufferSize", "bufferBytes", "maxSnapshots"]) {
    for (const value of [-1, 1.5, NaN, Infinity, "1"]) {
      assertThrows(() => make({ [name]: value }), RangeError, `Cannot record with ${name}`);
    }
  }
  assertEquals(make({ mode: undefined, bufferSize: undefined }).config.bufferSize, 20);
});

Deno.test("without the permission for the environment the defaults are taken, and nobody is asked (TRC-1)", async () => {
  const url = new URL("../../trace/mod.ts", import.meta.url).href;
  const code = `import { traceConfigFromEnv } from ${JSON.stringify(url)};
    const { outPath, gitSha } = traceConfigFromEnv();
    console.log(outPath, gitSha);`;
  const env = { TAFFRAIL_TRACE_OUT: "/tmp/t.json", GIT_SHA: "abc" };
  const outcomes: [string[], string][] = [
    [[], "trace.json undefined"],
    [["--allow-env=TAFFRAIL_TRACE_OUT"], "/tmp/t.json undefined"],
    [["--allow-env"], "/tmp/t.json abc"],
  ];
  for (const [permissions, expected] of outcomes) {
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--config", config, ...permissions, "-"],
      env,
      stdin: "piped",
      stdout: "piped",
    });
    await using process = command.spawn();
    const input = process.stdin.getWriter();
    await input.write(new TextEncoder().encode(code));
    await input.close();
    assertEquals((await new Response(process.stdout).text()).trim(), expected);
  }
});
