/** What the tests of power cuts and of failing calls do to a runtime: each kind of mutation. */
import { createBundle } from "./_operations.ts";
import type { Operation } from "./_model.ts";
import { workerRef } from "./_runtime.ts";
import type { CreateWorkerRequest } from "../../store/types.ts";

const bundle = await createBundle("bundle-1", { detail: "profile-sync" });
const other = await createBundle("bundle-1", { revision: "rev-2", profiles: [] });
const { id, digest } = bundle.metadata;

/** A request with everything in it. */
export const fullRequest: CreateWorkerRequest = {
  intent: { kind: "task", objective: "do it" },
  profile: { kind: "builtin", value: "builtin:coder" },
  config_bundle: { id, digest },
  requested_capabilities: [{ name: "read" }],
  workspace_refs: [{ name: "ws", reference: "workspace:1" }],
};

/** A request with nothing in it, which gives two diagnostics. */
export const plainRequest: CreateWorkerRequest = {
  intent: { kind: "assistant" },
  profile: { kind: "runtime_default" },
};

/** The bundle that {@linkcode fullRequest} names. */
export const storeBundle: Operation = { do: "storeConfigBundle", bundle };
/** Another content of the same bundle. */
export const storeOther: Operation = { do: "storeConfigBundle", bundle: other };
export const createFull: Operation = { do: "createWorker", request: fullRequest };
export const createPlain: Operation = { do: "createWorker", request: plainRequest };

/** An input to the n-th worker; its text is repeated up to a length, as for more than a page. */
export function input(n: number, text: string, length = text.length): Operation {
  const content = text.repeat(length / text.length);
  return { do: "sendInput", ref: workerRef(n), input: { kind: "user", content } };
}

export const stopFirst: Operation = { do: "stopWorker", ref: workerRef(1), reason: "done" };
export const cancelSecond: Operation = { do: "cancelWorker", ref: workerRef(2) };
export const stopAll: Operation = { do: "stopRuntime" };

/** One of every kind, one after the other. */
export const everyKind: readonly Operation[] = [
  storeBundle,
  createFull,
  input(1, "first"),
  createPlain,
  input(2, "more than a page ", 5000),
  input(1, "second"),
  stopFirst,
  cancelSecond,
  createPlain,
  stopAll,
];
