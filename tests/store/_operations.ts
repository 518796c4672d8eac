/** Random mutations for the model and the runtime alike: most of them good, some refused. */
import type { ConfigBundle, CreateWorkerRequest, WorkerRef } from "../../store/types.ts";
import type { Random } from "../_util/random.ts";
import type { Operation, RuntimeModel } from "./_model.ts";
import { digestOf } from "./_wire.ts";

const TEXTS = [
  "hello",
  "héllo\nline2",
  '{"like":"json"}\\',
  "\u0000\u001f\u007f\u2028",
  "𝄞 and \ue000",
  "  padded  ",
];
/** Ids whose order is not that of their creation, and one that JavaScript would move to the front. */
const BUNDLE_IDS = ["bundle-b", "bundle-a", "10", "9"];

function textOf(random: Random): string {
  // Now and then more than a page, so that pages and lines do not coincide.
  return random.chance(0.05) ? random.pick(TEXTS).repeat(600) : random.pick(TEXTS);
}

/** A bundle with its true digest. */
export async function createBundle(
  id: string,
  more: { revision?: string; detail?: string; profiles?: ConfigBundle["profiles"] } = {},
): Promise<ConfigBundle> {
  const { revision = "rev-1", detail, profiles } = more;
  const bundle: ConfigBundle = {
    metadata: {
      id,
      digest: "",
      revision,
      workspace_id: "workspace-1",
      created_at: "2026-06-26T00:00:00Z",
      provenance: {
        source: "workspace-backend",
        ...(detail !== undefined && { detail }),
      },
    },
    profiles: profiles ?? [{ selector: { kind: "builtin", value: "builtin:coder" } }],
    declarations: [{ kind: "capability_grant", name: "read", reference: "capability:read" }],
  };
  const digest = await digestOf(bundle);
  return { ...bundle, metadata: { ...bundle.metadata, digest } };
}

function randomBundle(random: Random): Promise<ConfigBundle> {
  return createBundle(random.pick(BUNDLE_IDS), {
    revision: `rev-${random.below(100)}`,
    ...(random.chance(0.5) && { detail: "profile-sync" }),
    profiles: random.chance(0.3) ? [] : [
      { selector: { kind: "builtin", value: "builtin:coder" }, label: "Coder" },
      { selector: { kind: "runtime_default" } },
      { selector: { kind: "named", value: "mine" } },
    ],
  });
}

function randomIntent(random: Random): CreateWorkerRequest["intent"] {
  return random.pick<CreateWorkerRequest["intent"]>([
    { kind: "assistant" },
    { kind: "assistant", purpose: "help" },
    { kind: "task", objective: "do it" },
    { kind: "role", role: "reviewer" },
    { kind: "role", role: "reviewer", purpose: "to see" },
    { kind: "task", objective: random.chance(0.2) ? " " : "do more" },
  ]);
}

function randomRequest(random: Random, model: RuntimeModel): CreateWorkerRequest {
  const bundle = random.chance(0.5) && model.bundles.length > 0
    ? random.pick(model.bundles)
    : undefined;
  const { id, digest } = bundle?.metadata ?? { id: "missing", digest: "0" };
  const references = bundle !== undefined || random.chance(0.05);
  return {
    intent: randomIntent(random),
    profile: random.pick<CreateWorkerRequest["profile"]>([
      { kind: "builtin", value: "builtin:coder" },
      { kind: "builtin", value: "builtin:coder" },
      { kind: "runtime_default" },
      { kind: "named", value: "mine" },
    ]),
    ...(references && {
      config_bundle: { id, digest: random.chance(0.1) ? "another" : digest },
    }),
    ...(random.chance(0.4) && {
      requested_capabilities: [
        { name: "read" },
        { name: random.chance(0.1) ? "" : "write", reason: "to save" },
      ],
    }),
    ...(random.chance(0.2) && { workspace_refs: [{ name: "ws", reference: "workspace:1" }] }),
    ...(random.chance(0.2) && { mount_refs: [{ name: "m", reference: "mount:1" }] }),
  };
}

function randomRef(random: Random, model: RuntimeModel): WorkerRef {
  const { runtimeId, refs } = model;
  if (random.chance(0.03)) return { runtime_id: runtimeId, worker_id: "worker-0000ffff" };
  if (random.chance(0.03)) return { runtime_id: "another", worker_id: "worker-00000001" };
  if (refs.length === 0) return { runtime_id: runtimeId, worker_id: "worker-00000001" };
  // Mostly the newest ones, so that the others come to rest.
  return random.chance(0.6) ? refs.at(-1)! : random.pick(refs);
}

/** The next mutation of a random sequence. */
export async function nextOperation(random: Random, model: RuntimeModel): Promise<Operation> {
  const draw = random.next();
  if (draw < 0.2) return { do: "createWorker", request: randomRequest(random, model) };
  const ref = randomRef(random, model);
  if (draw < 0.75) {
    const content = random.chance(0.04) ? " \n\t" : textOf(random);
    return { do: "sendInput", ref, input: { kind: random.pick(["user", "system"]), content } };
  }
  if (draw < 0.9) {
    const verb = random.pick(["stopWorker", "cancelWorker"] as const);
    return { do: verb, ref, ...(random.chance(0.5) && { reason: textOf(random) }) };
  }
  if (draw < 0.995) return { do: "storeConfigBundle", bundle: await randomBundle(random) };
  return { do: "stopRuntime" };
}
