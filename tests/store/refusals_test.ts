/**
 * What a runtime refuses, in the words and in the order of the original program: whatever else is wrong
 * with a call, it names the same thing first (spec 4.2 to 4.4).
 */
import { assertEquals, assertRejects } from "@std/assert";
import { computeConfigBundleDigest } from "../../store/config_bundle.ts";
import {
  RuntimeStoreError,
  type RuntimeStoreErrorKind,
  type WorkerRuntime,
} from "../../store/mod.ts";
import type {
  ConfigBundle,
  ConfigBundleMetadata,
  ConfigDeclaration,
  ConfigProfile,
  CreateWorkerRequest,
  WorkerInput,
  WorkerRef,
} from "../../store/types.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { openRuntime, openStore, RUNTIME_ID, workerRef } from "./_runtime.ts";
import { plainRequest } from "./_scenes.ts";

/** What is called, and the words of its refusal. */
type Row = [
  what: string,
  call: (runtime: WorkerRuntime) => Promise<unknown>,
  kind: RuntimeStoreErrorKind,
  message: string,
];

const METADATA: ConfigBundleMetadata = {
  id: "b",
  digest: "",
  revision: "r",
  workspace_id: "w",
  created_at: "t",
  provenance: { source: "s" },
};

/** A bundle with its own digest, unless another one is given. */
function bundle(
  changes: Partial<ConfigBundleMetadata>,
  rest: { profiles?: ConfigProfile[]; declarations?: ConfigDeclaration[] } = {},
): ConfigBundle {
  const made = { metadata: { ...METADATA, ...changes }, ...rest };
  if (changes.digest === undefined) made.metadata.digest = computeConfigBundleDigest(made);
  return made;
}

const store = (...parts: Parameters<typeof bundle>): Row[1] => (runtime) =>
  runtime.storeConfigBundle(bundle(...parts));
const create = (changes: Partial<CreateWorkerRequest>): Row[1] => (runtime) =>
  runtime.createWorker({ ...plainRequest, ...changes });
const send = (content: string, ref = workerRef(1)): Row[1] => (runtime) =>
  runtime.sendInput(ref, { kind: "user", content });
const declare = (...declarations: ConfigDeclaration[]) => store({}, { declarations });
const profile = (value: string, label?: string) =>
  store({}, { profiles: [{ selector: { kind: "named", value }, ...(label && { label }) }] });

const INVALID = "invalid-request";
const HOST_PATH = "must be a stable ref/grant/policy declaration, not a host-local path";
const CONTROL = "must not contain control characters";
const EMPTY = "must not be empty";
const FOREIGN: WorkerRef = { runtime_id: "rt-2", worker_id: "worker-00000001" };
const FOREIGN_MESSAGE = `worker worker-00000001 belongs to runtime rt-2, not runtime ${RUNTIME_ID}`;
const SELECTOR = "invalid profile selector";

/** A blank is what Unicode calls white space: NEL is some, a byte order mark is none. */
const BLANKS = [
  "",
  " ",
  "\t\n\v\f\r",
  "\u0085",
  "\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000",
];

const BUNDLES: Row[] = [
  ["bundle id", store({ id: "\u0085" }), INVALID, `config bundle id ${EMPTY}`],
  ["bundle digest", store({ digest: " " }), INVALID, `config bundle digest ${EMPTY}`],
  ["revision", store({ revision: "" }), INVALID, `config bundle revision ${EMPTY}`],
  ["workspace", store({ workspace_id: "" }), INVALID, `config bundle workspace id ${EMPTY}`],
  ["time", store({ created_at: "\u3000" }), INVALID, `config bundle created_at ${EMPTY}`],
  [
    "source",
    store({ provenance: { source: "" } }),
    INVALID,
    `config bundle provenance source ${EMPTY}`,
  ],
  ["large id", store({ id: "x".repeat(2049) }), INVALID, "config bundle id is too large"],
  ["large before control", store({ id: `\x00${"x".repeat(2048)}` }), INVALID, "is too large"],
  ["control", store({ revision: "a\x07b" }), INVALID, `config bundle revision ${CONTROL}`],
  ["control before path", store({ revision: "/a\x7fb" }), INVALID, CONTROL],
  ["control U+0080", store({ workspace_id: "a\u0080b" }), INVALID, CONTROL],
  ["path", store({ provenance: { source: "/etc" } }), INVALID, HOST_PATH],
  ["path behind NEL", store({ revision: "\u0085/etc" }), INVALID, HOST_PATH],
  [
    "detail",
    store({ provenance: { source: "s", detail: "~/x" } }),
    INVALID,
    `config bundle provenance detail ${HOST_PATH}`,
  ],
  ["text before digest", store({ id: "/etc", digest: "abc" }), INVALID, HOST_PATH],
  [
    "digest",
    store({ digest: "abc" }),
    "config-bundle-digest-mismatch",
    "config bundle `b` digest mismatch: expected abc, got ",
  ],
  [
    "digest before profiles",
    store({ digest: "abc" }, { profiles: [{ selector: { kind: "named", value: "" } }] }),
    "config-bundle-digest-mismatch",
    "digest mismatch",
  ],
  [
    "blank profile",
    profile(" "),
    "invalid-profile-selector",
    `${SELECTOR} \` \` for config bundle Some("b"): profile selector ${EMPTY}`,
  ],
  [
    "profile that is a path",
    profile("/etc"),
    "invalid-profile-selector",
    `${SELECTOR} \`/etc\` for config bundle Some("b"): profile selector ${HOST_PATH}`,
  ],
  [
    "profile with a control character",
    profile("n\x01"),
    "invalid-profile-selector",
    `${SELECTOR} \`n\x01\` for config bundle Some("b"): profile selector ${CONTROL}`,
  ],
  ["label", profile("n", "/etc"), INVALID, `profile label ${HOST_PATH}`],
  ["control in label", profile("n", "a\nb"), INVALID, `profile label ${CONTROL}`],
  ["large label", profile("n", "x".repeat(2049)), INVALID, "profile label is too large"],
  [
    "declaration's name",
    declare({ kind: "unsupported", name: "", reference: "" }),
    INVALID,
    `config declaration name ${EMPTY}`,
  ],
  [
    "declaration's reference",
    declare({ kind: "unsupported", name: "gpu", reference: "\u2003" }),
    INVALID,
    `config declaration reference ${EMPTY}`,
  ],
  [
    "path as the name",
    declare({ kind: "unsupported", name: "/dev", reference: "/dev" }),
    INVALID,
    `config declaration name ${HOST_PATH}`,
  ],
  [
    "path as the reference",
    declare({ kind: "unsupported", name: "gpu", reference: "a.sock" }),
    INVALID,
    `config declaration reference ${HOST_PATH}`,
  ],
  [
    "unsupported",
    declare({ kind: "unsupported", name: "gpu", reference: "x" }),
    "unsupported-config-declaration",
    "config bundle `b` contains unsupported declaration `unsupported` named `gpu`",
  ],
];

const named = { kind: "named", value: "n2" } as const;

const REQUESTS: Row[] = [
  [
    "objective",
    create({ intent: { kind: "task", objective: "\u0085" } }),
    INVALID,
    `task objective ${EMPTY}`,
  ],
  [
    "capability",
    create({ requested_capabilities: [{ name: "a" }, { name: " " }] }),
    INVALID,
    `invalid request: capability name ${EMPTY}`,
  ],
  [
    "capability before reference",
    create({ requested_capabilities: [{ name: "" }], config_bundle: { id: "", digest: "" } }),
    INVALID,
    `capability name ${EMPTY}`,
  ],
  [
    "reference's id",
    create({ config_bundle: { id: " ", digest: "d" } }),
    INVALID,
    `invalid request: config bundle reference id and digest ${EMPTY}`,
  ],
  [
    "reference's digest",
    create({ config_bundle: { id: "b", digest: "\u0085" } }),
    INVALID,
    `invalid request: config bundle reference id and digest ${EMPTY}`,
  ],
  [
    "reference of availability",
    (runtime) =>
      Promise.resolve().then(() => runtime.configBundleAvailability({ id: "", digest: "d" })),
    INVALID,
    `config bundle reference id and digest ${EMPTY}`,
  ],
  [
    "missing bundle",
    create({ config_bundle: { id: "c", digest: "d" }, profile: named }),
    "config-bundle-missing",
    "config bundle `c` was not found",
  ],
  [
    "other digest",
    create({ config_bundle: { id: "b", digest: "d" }, profile: named }),
    "config-bundle-digest-mismatch",
    "config bundle `b` digest mismatch: expected d, got ",
  ],
  [
    "named without a bundle",
    create({ profile: named }),
    "invalid-profile-selector",
    `${SELECTOR} \`n2\` for config bundle None: named profiles require a synced config bundle`,
  ],
  [
    "builtin that is a path",
    create({ profile: { kind: "builtin", value: "/etc" } }),
    "invalid-profile-selector",
    `${SELECTOR} \`/etc\` for config bundle None: profile selector ${HOST_PATH}`,
  ],
  [
    "blank builtin",
    create({ profile: { kind: "builtin", value: "\u0085" } }),
    "invalid-profile-selector",
    `${SELECTOR} \`\u0085\` for config bundle None: profile selector ${EMPTY}`,
  ],
  ["blank input", send("\u0085 "), INVALID, `invalid request: worker input content ${EMPTY}`],
  ["blank input before the worker", send(" ", FOREIGN), INVALID, `worker input content ${EMPTY}`],
  ["input to another runtime", send("x", FOREIGN), "wrong-runtime", FOREIGN_MESSAGE],
  [
    "input to nobody",
    send("x", workerRef(9)),
    "worker-not-found",
    `worker worker-00000009 was not found in runtime ${RUNTIME_ID}`,
  ],
  [
    "input to an ended one",
    send("x", workerRef(2)),
    INVALID,
    "worker worker-00000002 is not running",
  ],
  ["stop of another runtime's", (rt) => rt.stopWorker(FOREIGN), "wrong-runtime", FOREIGN_MESSAGE],
  ["cancel of nobody", (rt) => rt.cancelWorker(workerRef(9)), "worker-not-found", "was not found"],
];

const READS: Row[] = [
  [
    "limit before another runtime's worker",
    (runtime) => runtime.readTranscript(FOREIGN, { start: 0, limit: 257 }),
    "limit-too-large",
    "limit 257 exceeds maximum 256",
  ],
  [
    "limit before nobody",
    (runtime) => runtime.readTranscript(workerRef(9), { start: 0, limit: 1000 }),
    "limit-too-large",
    "limit 1000 exceeds maximum 256",
  ],
  [
    "another runtime's worker",
    (runtime) => runtime.readTranscript(FOREIGN, { start: 0, limit: 256 }),
    "wrong-runtime",
    FOREIGN_MESSAGE,
  ],
  [
    "another runtime's cursor before the limit",
    (runtime) => runtime.readEvents({ runtime_id: "rt-2", next_event_id: 1 }, 257),
    "wrong-runtime-cursor",
    `cursor belongs to runtime rt-2, not runtime ${RUNTIME_ID}`,
  ],
  [
    "limit of events",
    (runtime) => runtime.readEvents({ runtime_id: RUNTIME_ID, next_event_id: 1 }, 257),
    "limit-too-large",
    "limit 257 exceeds maximum 256",
  ],
];

async function assertRows(runtime: WorkerRuntime, rows: readonly Row[]): Promise<void> {
  for (const [what, call, kind, message] of rows) {
    const error = await assertRejects(() => call(runtime), RuntimeStoreError, message, what);
    assertEquals(error.kind, kind, what);
  }
}

Deno.test("a running runtime refuses in the original's words and order (WRT-4 to WRT-16)", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    await runtime.storeConfigBundle(bundle({}));
    await runtime.createWorker(plainRequest);
    await runtime.createWorker(plainRequest);
    await runtime.stopWorker(workerRef(2));
    await assertRows(runtime, [...BUNDLES, ...REQUESTS, ...READS]);
    await runtime.close();
  }));

Deno.test("a stopped runtime tells what is wrong with a bundle first, and of the rest only that it is stopped (WRT-8)", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    await runtime.stopRuntime();
    await assertRows(runtime, [...BUNDLES, ...READS]);
    const stopped = REQUESTS.filter(([what]) => what !== "reference of availability")
      .map(([what, call]): Row => [what, call, "runtime-stopped", `${RUNTIME_ID} is stopped`]);
    await assertRows(runtime, [
      ...stopped,
      ["a good bundle", store({}), "runtime-stopped", `runtime ${RUNTIME_ID} is stopped`],
    ]);
    await runtime.close();
  }));

Deno.test("the files' own reader looks at the runtime of a worker before the limit (FRS-10)", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    await using files = await openStore(root);
    const read = (ref: WorkerRef, limit: number) => files.readTranscript(ref, { start: 0, limit });
    await assertRejects(() => read(FOREIGN, 257), RuntimeStoreError, FOREIGN_MESSAGE);
    await assertRejects(() => read(workerRef(9), 257), RuntimeStoreError, "limit 257 exceeds");
    await runtime.close();
  }));

Deno.test("what is blank for Unicode is blank, and nothing else", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    const { worker_ref } = await runtime.createWorker(plainRequest);
    const input = (content: string): WorkerInput => ({ kind: "user", content });
    for (const blank of BLANKS) {
      await assertRejects(() => runtime.sendInput(worker_ref, input(blank)), Error, EMPTY);
    }
    for (const visible of ["\ufeff", "\u200b", "\0", "\u001c", "\u180e"]) {
      await runtime.sendInput(worker_ref, input(visible));
    }
    await runtime.close();
  }));

Deno.test("what only Windows takes for a path is a name like others", () =>
  withMemoryDir(async (root) => {
    const runtime = await openRuntime(root);
    for (const id of ["\\share\\x", "C:\\x", "C:/x", "\ufeff/etc", "a~", "b/c"]) {
      await runtime.storeConfigBundle(bundle({ id }));
    }
    await runtime.close();
  }));
