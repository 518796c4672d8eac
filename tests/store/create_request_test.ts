import { assertEquals, assertThrows } from "@std/assert";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import { checkCreateRequest, createDiagnostics } from "../../store/state/rules.ts";
import type { CreateWorkerRequest } from "../../store/types.ts";
import { goldenRuntime } from "./_golden.ts";

const plain: CreateWorkerRequest = {
  intent: { kind: "assistant" },
  profile: { kind: "runtime_default" },
};

function refuse(changes: object, message: string): void {
  const given = { ...plain, ...changes } as CreateWorkerRequest;
  const error = assertThrows(() => checkCreateRequest(given), RuntimeStoreError, message);
  assertEquals(error.kind, "invalid-request");
}

Deno.test("checkCreateRequest() refuses blank objectives and capability names (WRT-10)", () => {
  refuse({ intent: { kind: "task", objective: " " } }, "task objective must not be empty");
  refuse(
    { requested_capabilities: [{ name: "read" }, { name: "" }] },
    "invalid request: capability name must not be empty",
  );
});

Deno.test("checkCreateRequest() refuses what is no request, and what it would not obey", () => {
  refuse({ intent: undefined }, "invalid type: undefined");
  refuse({ requested_capabilites: [] }, "unknown field `requested_capabilites`");
  refuse({ intent: { kind: "assistant", objective: "x" } }, "unknown field `objective`");
  refuse({ intent: { kind: "task", objective: "\udc00" } }, "lone surrogate");
});

Deno.test("checkCreateRequest() copies, and leaves out what is empty", () => {
  const capability = { name: "read" };
  const given: CreateWorkerRequest = {
    ...plain,
    requested_capabilities: [capability],
    workspace_refs: [],
    mount_refs: [{ name: "m", reference: "mount:1" }],
  };
  const checked = checkCreateRequest(given);
  capability.name = "changed later";
  assertEquals(checked, {
    ...plain,
    requested_capabilities: [{ name: "read" }],
    mount_refs: [{ name: "m", reference: "mount:1" }],
  });
});

Deno.test("createDiagnostics() gives the golden diagnostics (WRT-12)", () => {
  const ref = { runtime_id: "rt-1", worker_id: "worker-00000002" };
  const expected = goldenRuntime().diagnostics.map(({ id: _id, ...diagnostic }) => diagnostic);
  assertEquals(createDiagnostics(plain, ref), expected);
  const full = {
    ...plain,
    config_bundle: { id: "b", digest: "d" },
    requested_capabilities: [{ name: "read" }],
  };
  assertEquals(createDiagnostics(full, ref), []);
});
