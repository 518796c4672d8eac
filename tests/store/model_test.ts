/** The model that the store is compared with says what the seed's goldens say (spec 4.2). */
import { assertEquals, assertThrows } from "@std/assert";
import { type Operation, Refusal, RuntimeModel } from "./_model.ts";
import { digestOf } from "./_wire.ts";
import type { ConfigBundle } from "../../store/types.ts";

const DIGEST = "8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3";
const DIRECTORY = "runtimes/id-72742d31";
const WORKER = "workers/id-776f726b65722d3030303030303031";
const FIRST = { runtime_id: "rt-1", worker_id: "worker-00000001" };

const bundle: ConfigBundle = {
  metadata: {
    id: "bundle-1",
    digest: DIGEST,
    revision: "rev-1",
    workspace_id: "workspace-1",
    created_at: "2026-06-26T00:00:00Z",
    provenance: { source: "workspace-backend", detail: "profile-sync" },
  },
  profiles: [{ selector: { kind: "builtin", value: "builtin:coder" }, label: "Coder" }],
  declarations: [{ kind: "capability_grant", name: "read", reference: "capability:read" }],
};

const operations: Operation[] = [
  { do: "storeConfigBundle", bundle },
  {
    do: "createWorker",
    request: {
      intent: { kind: "task", objective: "do it" },
      profile: { kind: "builtin", value: "builtin:coder" },
      config_bundle: { id: "bundle-1", digest: DIGEST },
      requested_capabilities: [{ name: "read" }],
      workspace_refs: [{ name: "ws", reference: "workspace:1" }],
    },
  },
  { do: "sendInput", ref: FIRST, input: { kind: "user", content: "héllo\nline2" } },
  {
    do: "createWorker",
    request: { intent: { kind: "assistant" }, profile: { kind: "runtime_default" } },
  },
  { do: "stopWorker", ref: FIRST, reason: "done" },
];

function createGolden(): { model: RuntimeModel; answers: string[] } {
  const model = new RuntimeModel({ runtimeId: "rt-1", displayName: "demo" });
  return { model, answers: model.applyAll(operations) };
}

Deno.test("the model answers and writes as the seed's program (spec 4.2, WRT-2 to WRT-6)", () => {
  const { model, answers } = createGolden();
  assertEquals(
    answers[2],
    '{"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"status":"running","transcript_sequence":1,"event_id":3}',
  );
  assertEquals(
    answers[4],
    '{"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"status":"stopped","event_id":5}',
  );
  assertEquals(
    model.summary(),
    '{"runtime_id":"rt-1","display_name":"demo","backend":"fs_store","status":"running","worker_count":2,"active_worker_count":1,"stopped_worker_count":1,"cancelled_worker_count":0,"diagnostic_count":2,"limits":{"max_transcript_projection_items":256,"max_event_batch_items":256}}',
  );
  const files = model.files();
  assertEquals(
    files.get(`${DIRECTORY}/${WORKER}/transcript.jsonl`),
    '{"sequence":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"role":"user","content":"héllo\\nline2","event_id":3}\n',
  );
  assertEquals(
    compact(files.get(`${DIRECTORY}/${WORKER}/worker.json`)),
    '{"schema_version":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"worker_id":"worker-00000001","status":"stopped","request":{"intent":{"kind":"task","objective":"do it"},"profile":{"kind":"builtin","value":"builtin:coder"},"config_bundle":{"id":"bundle-1","digest":"8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3"},"requested_capabilities":[{"name":"read"}],"workspace_refs":[{"name":"ws","reference":"workspace:1"}]},"next_transcript_sequence":2,"last_event_id":5}',
  );
  assertEquals(
    compact(files.get(`${DIRECTORY}/runtime.json`)),
    `{"schema_version":1,"runtime_id":"rt-1","display_name":"demo","backend":"fs_store","status":"running","limits":{"max_transcript_projection_items":256,"max_event_batch_items":256},"next_worker_sequence":3,"next_event_id":6,"next_diagnostic_id":3,"config_bundles":{"bundle-1":{"metadata":{"id":"bundle-1","digest":"${DIGEST}","revision":"rev-1","workspace_id":"workspace-1","created_at":"2026-06-26T00:00:00Z","provenance":{"source":"workspace-backend","detail":"profile-sync"}},"profiles":[{"selector":{"kind":"builtin","value":"builtin:coder"},"label":"Coder"}],"declarations":[{"kind":"capability_grant","name":"read","reference":"capability:read"}]}},"diagnostics":[{"id":1,"severity":"info","code":"runtime.local_default_resources","message":"worker created without ConfigBundleRef; runtime-local defaults are assumed","worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"}},{"id":2,"severity":"info","code":"worker.tools_less","message":"worker created without requested tool capabilities","worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"}}]}`,
  );
  assertEquals(
    files.get(`${DIRECTORY}/events.jsonl`)?.split("\n")[4],
    '{"id":5,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"kind":{"kind":"worker_stopped"},"message":"done"}',
  );
});

/** What a pretty file says, on one line. */
function compact(text = ""): string {
  return JSON.stringify(JSON.parse(text));
}

Deno.test("the model's digest of a bundle is the golden one (WRT-15)", async () => {
  assertEquals(await digestOf(bundle), DIGEST);
});

Deno.test("the model does all of a transaction or nothing of it", () => {
  const { model } = createGolden();
  const before = model.files();
  const input = { kind: "user", content: "more" } as const;
  const ref = { runtime_id: "rt-1", worker_id: "worker-00000002" };
  const refused: Operation = { do: "sendInput", ref: FIRST, input };
  assertThrows(() => model.applyAll([{ do: "sendInput", ref, input }, refused]), Refusal);
  assertEquals(model.files(), before);
});
