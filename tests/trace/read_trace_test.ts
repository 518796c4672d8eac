import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  hashJsonText,
  readTrace,
  resolvePackPath,
  type TraceEnvelope,
  TraceFileError,
  type TraceFileErrorKind,
  type TraceReason,
  type TraceStep,
} from "../../trace/mod.ts";
import { write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const GOLDEN = new URL("../golden/trace/seed_trace.json", import.meta.url);

const HASH = { algorithm: "blake3", value: hashJsonText("null").value };
const STEP = {
  node_id: "a",
  component_id: "c",
  operation: "o",
  input_hash: HASH,
  duration_ms: 1,
};
const TRACE = {
  trace_version: 1,
  pack: { pack_ref: "demo" },
  flow: { id: "demo.flow", version: "0.0.0" },
  steps: [STEP],
};

/** What readTrace() makes of a file with this content. */
function readText(content: string | Uint8Array) {
  return withTempDir(async (directory) => {
    const path = `${directory}/trace.json`;
    write(path, content);
    return await readTrace(path);
  });
}

async function assertRefused(
  content: string | Uint8Array,
  kind: TraceFileErrorKind,
  message: string,
): Promise<TraceFileError> {
  const error = await assertRejects(() => readText(content), TraceFileError, message);
  assertEquals(error.kind, kind);
  assertStringIncludes(error.message, "failed to parse trace.json: ");
  assertStringIncludes(error.message, `(in ${error.details.path})`);
  return error;
}

Deno.test("readTrace() reads the seed's file", async () => {
  const text = await Deno.readTextFile(GOLDEN);
  const trace = await readText(text);
  assertEquals(trace, JSON.parse(text));
  assertEquals(trace.steps[1]?.error, { code: "flow_error", message: "boom", details: null });
});

Deno.test("readTrace() reads every field, and passes over those that it does not know", async () => {
  const step: TraceStep = {
    ...STEP,
    invocation_json: { component_id: "c", operation: "o", payload: [1] },
    invocation_path: "x",
    output_hash: HASH,
    state_delta_hash: HASH,
    validation_issues: [{ code: "c", path: "/p", message: "m" }],
    error: { code: "node_error", message: "m", details: [{ name: "E", message: "m" }] },
    step: 3,
    execution_id: "e",
    parent_execution_id: "p",
    started_at: "2026-11-21T00:00:00.000Z",
    attempt: 2,
    session_id: "s",
    status: "error",
    input_dropped: true,
  };
  const trace: TraceEnvelope = {
    trace_version: 1,
    runner_version: "1.2.3",
    git_sha: "abc",
    pack: { pack_ref: "demo", resolved_digest: "sha256:1" },
    flow: { id: "demo.flow", version: "0.0.0" },
    run_id: "r",
    started_at: "2026-11-21T00:00:00.000Z",
    written_at: "2026-11-21T00:00:01.000Z",
    reason: "crash",
    snapshot: 1,
    dropped_steps: 2,
    dropped_bytes: 3,
    steps: [step],
  };
  assertEquals(await readText(JSON.stringify(trace)), trace);
  const later = { ...trace, later: 1, steps: [{ ...step, later: { a: 1 } }] };
  assertEquals(await readText(JSON.stringify(later)), trace);
});

Deno.test("readTrace() reads every reason", async () => {
  const reasons: Record<TraceReason, true> = {
    error: true,
    success: true,
    demand: true,
    crash: true,
    exit: true,
    SIGHUP: true,
    SIGINT: true,
    SIGTERM: true,
    SIGBREAK: true,
  };
  for (const reason of Object.keys(reasons)) {
    assertEquals(String((await readText(JSON.stringify({ ...TRACE, reason }))).reason), reason);
  }
});

Deno.test("readTrace() keeps numbers so that JSON.stringify prints what was read", async () => {
  const payload =
    '{"a":1.0,"b":-0.0,"c":1e16,"d":12345678901234567890,"e":1e300,"f":0.1,"__proto__":7}';
  const text = JSON.stringify({ ...TRACE, steps: [{ ...STEP, invocation_json: 0 }] })
    .replace('"invocation_json":0', `"invocation_json":${payload}`);
  const { steps } = await readText(text);
  const printed = JSON.stringify(steps[0]?.invocation_json);
  assertEquals(hashJsonText(printed), hashJsonText(payload));
});

Deno.test("TRP-1: a file that cannot be read is named, with the cause", async () => {
  await withTempDir(async (directory) => {
    const missing = `${directory}/none.json`;
    for (const path of [missing, directory]) {
      const error = await assertRejects(
        () => readTrace(path),
        TraceFileError,
        `failed to read trace ${path}`,
      );
      assertEquals([error.kind, error.details.path], ["read", path]);
      assertInstanceOf(error.cause, Error);
    }
  });
});

Deno.test(
  "TRP-1: what is no file is refused at once",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await withTempDir(async (directory) => {
      new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync();
      const cases: [string, string][] = [
        [`${directory}/pipe`, "it is a named pipe, not a regular file"],
        [directory, "it is a directory, not a regular file"],
        ["/dev/zero", "it is a device, not a regular file"],
        [`${directory}/none`, "it does not exist"],
      ];
      for (const [path, message] of cases) {
        const error = await assertRejects(() => readTrace(path), TraceFileError, message);
        assertEquals([error.kind, error.details.path], ["read", path]);
      }
    });
  },
);

Deno.test("a trace that nests without end is refused, and so is null for the issues", async () => {
  const issues = { ...TRACE, steps: [{ ...STEP, validation_issues: null }] };
  const problem = "$.steps[0].validation_issues: invalid type: null, expected a sequence";
  await assertRefused(JSON.stringify(issues), "shape", problem);
  for (const deep of ["[", '{"steps":', '{"a":[']) {
    await assertRefused(deep.repeat(2_000_000), "parse", "nesting deeper than 127 levels");
  }
});

Deno.test("TRP-1: a file over 256 MiB is refused without being read", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/trace.json`;
    // A file with a hole takes no room on the disk.
    write(path, "");
    await Deno.truncate(path, 256 * 1024 * 1024 + 1);
    const error = await assertRejects(
      () => readTrace(path),
      TraceFileError,
      "it is over 268435456",
    );
    assertEquals(error.kind, "read");
  });
});

Deno.test("TRP-1: the pack is the one given, else the pack_ref if it exists", async () => {
  await withTempDir(async (directory) => {
    const traceOf = (path: string): TraceEnvelope => ({ ...TRACE, pack: { pack_ref: path } });
    const missing = `${directory}/none.gtpack`;
    assertEquals(await resolvePackPath(traceOf(directory)), directory);
    assertEquals(await resolvePackPath(traceOf(directory), { pack: missing }), missing);
    const error = await assertRejects(
      () => resolvePackPath(traceOf(missing)),
      TraceFileError,
      `pack path not found; provide --pack (trace pack_ref was ${missing})`,
    );
    assertInstanceOf(error.cause, Deno.errors.NotFound);
  });
});

Deno.test("TRP-1: what is no JSON in UTF-8 is refused with its place", async () => {
  await assertRefused("", "parse", "EOF while parsing a value");
  await assertRefused('{"trace_version":1,\n "pack" 1}', "parse", "line 2, column 9");
  await assertRefused('{"trace_version":1,"trace_version":1}', "parse", "duplicate field");
  const broken = new TextEncoder().encode(JSON.stringify(TRACE));
  broken[broken.indexOf("d".charCodeAt(0))] = 0xff;
  const error = await assertRefused(broken, "parse", "invalid unicode code point");
  assertInstanceOf(error.cause, SyntaxError);
});

Deno.test("TRP-1: another shape is refused with its JSON path", async () => {
  const { steps: _, ...noSteps } = TRACE;
  const { input_hash: __, ...noHash } = STEP;
  const withStep = (step: unknown) => ({ ...TRACE, steps: [STEP, step] });
  const cases: [trace: unknown, message: string][] = [
    [[], "Cannot read $: invalid type: sequence, expected an object"],
    [{}, "missing field `trace_version`"],
    [noSteps, "Cannot read $: missing field `steps`"],
    [{ ...TRACE, trace_version: "1" }, "Cannot read $.trace_version"],
    [{ ...TRACE, flow: { id: "f" } }, "Cannot read $.flow: missing field `version`"],
    [withStep(noHash), "Cannot read $.steps[1]: missing field `input_hash`"],
    [withStep({ ...STEP, duration_ms: 1.5 }), "Cannot read $.steps[1].duration_ms"],
    [withStep({ ...STEP, duration_ms: -1 }), "Cannot read $.steps[1].duration_ms"],
    [
      withStep({ ...STEP, error: { code: "c", message: "m" } }),
      "Cannot read $.steps[1].error: missing field `details`",
    ],
    [withStep({ ...STEP, status: "odd" }), "Cannot read $.steps[1].status: unknown variant `odd`"],
  ];
  for (const [trace, message] of cases) {
    await assertRefused(JSON.stringify(trace), "shape", message);
  }
});

Deno.test("W-TRC-11: another version is refused, whatever its shape", async () => {
  const error = await assertRefused('{"trace_version":2}', "version", "its trace_version is 2");
  assertEquals([error.details.expected, error.details.actual], ["1", "2"]);
});

Deno.test("W-TRC-11: a digest of another algorithm, or that is none, is refused", async () => {
  for (const name of ["input_hash", "output_hash", "state_delta_hash"]) {
    const withHash = (hash: unknown) =>
      JSON.stringify({ ...TRACE, steps: [STEP, { ...STEP, [name]: hash }] });
    const other = await assertRefused(
      withHash({ algorithm: "sha256", value: HASH.value }),
      "algorithm",
      `Cannot compare $.steps[1].${name}: its algorithm is "sha256", not "blake3"`,
    );
    assertEquals([other.details.step, other.details.expected, other.details.actual], [
      2,
      "blake3",
      "sha256",
    ]);
    for (const value of ["", HASH.value.toUpperCase(), HASH.value.slice(1)]) {
      const hash = { algorithm: "blake3", value };
      const error = await assertRefused(withHash(hash), "shape", `$.steps[1].${name}`);
      assert(error.details.expected?.startsWith("64 "));
    }
  }
});
