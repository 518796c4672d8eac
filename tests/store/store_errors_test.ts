import { assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import type { RuntimeStoreError, RuntimeStoreErrorKind } from "../../store/runtime_store_error.ts";
import {
  asStoreError,
  configBundleMissingError,
  digestMismatchError,
  invalidProfileError,
  invalidRequestError,
  limitTooLargeError,
  ownedError,
  runtimeStoppedError,
  storeCorruptError,
  storeIoError,
  storeMissingError,
  symlinkError,
  unsupportedDeclarationError,
  unsupportedSchemaError,
  workerNotFoundError,
  wrongRuntimeCursorError,
  wrongRuntimeError,
} from "../../store/store_errors.ts";

const place = { operation: "read events", path: "/r/events.jsonl" } as const;
const ids = { expected: "rt-1", actual: "rt-2" };

/** What the seed says, word by word. */
const seedMessages: [RuntimeStoreError, RuntimeStoreErrorKind, string][] = [
  [runtimeStoppedError("R"), "runtime-stopped", "runtime R is stopped"],
  [
    wrongRuntimeError("W", ids),
    "wrong-runtime",
    "worker W belongs to runtime rt-2, not runtime rt-1",
  ],
  [
    wrongRuntimeCursorError(ids),
    "wrong-runtime-cursor",
    "cursor belongs to runtime rt-2, not runtime rt-1",
  ],
  [workerNotFoundError("R", "W"), "worker-not-found", "worker W was not found in runtime R"],
  [limitTooLargeError(300, 256), "limit-too-large", "limit 300 exceeds maximum 256"],
  [invalidRequestError("why"), "invalid-request", "invalid request: why"],
  [configBundleMissingError("B"), "config-bundle-missing", "config bundle `B` was not found"],
  [
    digestMismatchError("B", { expected: "X", actual: "Y" }),
    "config-bundle-digest-mismatch",
    "config bundle `B` digest mismatch: expected X, got Y",
  ],
  [
    invalidProfileError("P", { bundleId: "B", problem: "why" }),
    "invalid-profile-selector",
    'invalid profile selector `P` for config bundle Some("B"): why',
  ],
  [
    invalidProfileError("P", { bundleId: undefined, problem: "why" }),
    "invalid-profile-selector",
    "invalid profile selector `P` for config bundle None: why",
  ],
  [
    unsupportedDeclarationError("B", { kind: "K", name: "N" }),
    "unsupported-config-declaration",
    "config bundle `B` contains unsupported declaration `K` named `N`",
  ],
  [
    storeIoError(place, new Error("disk on fire")),
    "store-io",
    "runtime store read events failed at /r/events.jsonl: disk on fire",
  ],
  [
    storeMissingError(place),
    "store-missing",
    "runtime store read events missing data at /r/events.jsonl",
  ],
  [
    storeCorruptError(place, { problem: "line 3: why" }),
    "store-corrupt",
    "runtime store read events found corrupt data at /r/events.jsonl: line 3: why",
  ],
  [
    unsupportedSchemaError(place, { expected: 1, actual: 2 }),
    "store-corrupt",
    "runtime store read events found corrupt data at /r/events.jsonl: " +
    "unsupported schema version 2, expected 1",
  ],
];

Deno.test("errors have the seed's messages (spec 4.2)", () => {
  for (const [error, kind, message] of seedMessages) {
    assertEquals(error.kind, kind);
    assertEquals(error.message, message);
    assertEquals(error.name, "RuntimeStoreError");
  }
});

Deno.test("errors carry what a program needs, and what to do", () => {
  const corrupt = storeCorruptError(place, { problem: "why", line: 3, byteOffset: 70 });
  const { operation, path, line, byteOffset } = corrupt.details;
  assertEquals([operation, path, line, byteOffset], ["read events", place.path, 3, 70]);
  assertStringIncludes(corrupt.remedy!, "`taffrail repair` (`repairStore`)");
  const newer = unsupportedSchemaError(place, { expected: 1, actual: 2 });
  assertStringIncludes(newer.remedy!, "a newer taffrail");
  assertEquals(storeMissingError(place).remedy, undefined);
  const owned = ownedError("/r/owner.lock", { runtimeId: "rt-1", pid: 77 });
  assertEquals([owned.kind, owned.details.runtimeId, owned.details.holderPid], [
    "owned",
    "rt-1",
    77,
  ]);
  assertEquals(owned.message.includes("process 77 owns it (/r/owner.lock)"), true);
  const limit = limitTooLargeError(300, 256);
  assertEquals([limit.details.actual, limit.details.expected], [300, 256]);
});

Deno.test("asStoreError() names the file of what the file system refuses, and leaves the rest", () => {
  const refused = new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  const error = asStoreError(place, refused) as RuntimeStoreError;
  assertEquals([error.kind, error.details.path, error.cause], ["store-io", place.path, refused]);
  const gone = asStoreError(place, new Deno.errors.NotFound("gone")) as RuntimeStoreError;
  assertEquals(gone.kind, "store-missing");
  const seek = asStoreError(place, new TypeError("Invalid argument (os error 22)"));
  assertEquals((seek as RuntimeStoreError).kind, "store-io");
  for (const known of [symlinkError(place), new RangeError("x"), new TypeError("x")]) {
    assertStrictEquals(asStoreError(place, known), known);
  }
});
