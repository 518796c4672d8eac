import type { RuntimeSnapshot, WorkerSnapshot } from "../../store/files/snapshots.ts";

/** The files of spec 4.2, as upstream's own code printed them. */

/** `events.jsonl`. */
export const GOLDEN_EVENTS = `{"id":1,"kind":{"kind":"runtime_started"},"message":"runtime started"}
{"id":2,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"kind":{"kind":"worker_created"},"message":"worker worker-00000001 created"}
{"id":3,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"kind":{"kind":"worker_input_accepted"},"message":"worker input accepted"}
{"id":4,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"},"kind":{"kind":"worker_created"},"message":"worker worker-00000002 created"}
{"id":5,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"kind":{"kind":"worker_stopped"},"message":"done"}
`;

/** `transcript.jsonl` of the first worker. */
export const GOLDEN_TRANSCRIPT =
  `{"sequence":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"role":"user","content":"héllo\\nline2","event_id":3}
`;

const runtime =
  `{"schema_version":1,"runtime_id":"rt-1","display_name":"demo","backend":"fs_store","status":"running","limits":{"max_transcript_projection_items":256,"max_event_batch_items":256},"next_worker_sequence":3,"next_event_id":6,"next_diagnostic_id":3,"config_bundles":{"bundle-1":{"metadata":{"id":"bundle-1","digest":"8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3","revision":"rev-1","workspace_id":"workspace-1","created_at":"2026-06-26T00:00:00Z","provenance":{"source":"workspace-backend","detail":"profile-sync"}},"profiles":[{"selector":{"kind":"builtin","value":"builtin:coder"},"label":"Coder"}],"declarations":[{"kind":"capability_grant","name":"read","reference":"capability:read"}]}},"diagnostics":[{"id":1,"severity":"info","code":"runtime.local_default_resources","message":"worker created without ConfigBundleRef; runtime-local defaults are assumed","worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"}},{"id":2,"severity":"info","code":"worker.tools_less","message":"worker created without requested tool capabilities","worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"}}]}`;

const firstWorker =
  `{"schema_version":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000001"},"worker_id":"worker-00000001","status":"stopped","request":{"intent":{"kind":"task","objective":"do it"},"profile":{"kind":"builtin","value":"builtin:coder"},"config_bundle":{"id":"bundle-1","digest":"8c48f61515c36d4455462ca9def2425e5b774297b159dda69abf46a530888bd3"},"requested_capabilities":[{"name":"read"}],"workspace_refs":[{"name":"ws","reference":"workspace:1"}]},"next_transcript_sequence":2,"last_event_id":5}`;

const secondWorker =
  `{"schema_version":1,"worker_ref":{"runtime_id":"rt-1","worker_id":"worker-00000002"},"worker_id":"worker-00000002","status":"running","request":{"intent":{"kind":"assistant"},"profile":{"kind":"runtime_default"}},"next_transcript_sequence":1,"last_event_id":4}`;

/** As it is on disk: no key of these looks like an integer, so the engine keeps their order. */
function pretty(compact: string): string {
  return `${JSON.stringify(JSON.parse(compact), null, 2)}\n`;
}

/** `runtime.json`. */
export const GOLDEN_RUNTIME = pretty(runtime);

/** `worker.json` of the first worker, which was stopped. */
export const GOLDEN_FIRST_WORKER = pretty(firstWorker);

/** `worker.json` of the second worker, which is running. */
export const GOLDEN_SECOND_WORKER = pretty(secondWorker);

/** A fresh {@linkcode GOLDEN_RUNTIME}. */
export function goldenRuntime(): RuntimeSnapshot {
  return JSON.parse(runtime);
}

/** A fresh {@linkcode GOLDEN_FIRST_WORKER}. */
export function goldenFirstWorker(): WorkerSnapshot {
  return JSON.parse(firstWorker);
}

/** A fresh {@linkcode GOLDEN_SECOND_WORKER}. */
export function goldenSecondWorker(): WorkerSnapshot {
  return JSON.parse(secondWorker);
}
