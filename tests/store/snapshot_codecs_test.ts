import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  parseRuntimeSnapshot,
  parseWorkerSnapshot,
  printRuntimeSnapshot,
  printWorkerSnapshot,
} from "../../store/files/snapshots.ts";
import { RuntimeStoreError } from "../../store/runtime_store_error.ts";
import {
  GOLDEN_FIRST_WORKER,
  GOLDEN_RUNTIME,
  GOLDEN_SECOND_WORKER,
  goldenFirstWorker,
  goldenRuntime,
  goldenSecondWorker,
} from "./_golden.ts";

const encoder = new TextEncoder();

function corruption(read: () => unknown): RuntimeStoreError {
  const error = assertThrows(read, RuntimeStoreError);
  assertEquals(error.kind, "store-corrupt");
  assertEquals(error.details.path, "p/x.json");
  return error;
}

function readRuntime(change: (document: Record<string, unknown>) => void): () => unknown {
  const document = { ...goldenRuntime() } as unknown as Record<string, unknown>;
  change(document);
  return () => parseRuntimeSnapshot(JSON.stringify(document), "p/x.json");
}

Deno.test("printRuntimeSnapshot() prints the golden bytes and parseRuntimeSnapshot() reads them (FRS-11)", () => {
  assertEquals(printRuntimeSnapshot(goldenRuntime()), GOLDEN_RUNTIME);
  const parsed = parseRuntimeSnapshot(encoder.encode(GOLDEN_RUNTIME), "runtime.json");
  assertEquals(parsed, goldenRuntime());
  assertEquals(printRuntimeSnapshot(parsed), GOLDEN_RUNTIME);
});

Deno.test("printWorkerSnapshot() prints the golden bytes and parseWorkerSnapshot() reads them (FRS-11)", () => {
  assertEquals(printWorkerSnapshot(goldenFirstWorker()), GOLDEN_FIRST_WORKER);
  assertEquals(printWorkerSnapshot(goldenSecondWorker()), GOLDEN_SECOND_WORKER);
  const parsed = parseWorkerSnapshot(encoder.encode(GOLDEN_SECOND_WORKER), "worker.json");
  assertEquals(parsed, goldenSecondWorker());
  assertEquals(printWorkerSnapshot(parsed), GOLDEN_SECOND_WORKER);
});

Deno.test("printRuntimeSnapshot() prints what is empty as the seed does", () => {
  const empty = { ...goldenRuntime(), display_name: null, config_bundles: {}, diagnostics: [] };
  const text = printRuntimeSnapshot(empty);
  assert(text.includes('\n  "display_name": null,\n'));
  assert(text.endsWith('\n  "config_bundles": {},\n  "diagnostics": []\n}\n'));
});

Deno.test("printRuntimeSnapshot() sorts bundles by the bytes of their ids (J-2)", () => {
  const [bundle] = Object.values(goldenRuntime().config_bundles);
  const ids = ["b", "10", "9", "__proto__", "\u{1f600}", "\uffee"];
  const bundles = Object.fromEntries(ids.map((id) => [id, bundle!]));
  const text = printRuntimeSnapshot({ ...goldenRuntime(), config_bundles: bundles });
  const printed = Array.from(text.matchAll(/^ {4}"(.+)": \{$/gm), (match) => match[1]!);
  assertEquals(printed, ["10", "9", "__proto__", "b", "\uffee", "\u{1f600}"]);
  const parsed = parseRuntimeSnapshot(text, "p/x.json");
  assertEquals(Object.keys(parsed.config_bundles).length, ids.length);
  assertEquals(printRuntimeSnapshot(parsed), text);
});

Deno.test("printWorkerSnapshot() leaves empty lists out (J-11)", () => {
  const worker = goldenSecondWorker();
  worker.request = {
    ...worker.request,
    requested_capabilities: [],
    workspace_refs: [],
    mount_refs: [],
  };
  assertEquals(printWorkerSnapshot(worker), GOLDEN_SECOND_WORKER);
});

Deno.test("printing refuses what a document cannot hold", () => {
  assertThrows(
    () => printRuntimeSnapshot({ ...goldenRuntime(), next_event_id: 2 ** 53 }),
    RangeError,
    "$.next_event_id",
  );
  assertThrows(
    () => printRuntimeSnapshot({ ...goldenRuntime(), display_name: "\ud800" }),
    TypeError,
    "lone surrogate",
  );
});

Deno.test("parseRuntimeSnapshot() looks at the schema first (FRS-3)", () => {
  const newer = corruption(readRuntime((document) => {
    document.schema_version = 2;
    document.sharding = true;
    delete document.status;
  }));
  assertEquals(
    newer.message,
    "runtime store read runtime snapshot found corrupt data at p/x.json: " +
      "unsupported schema version 2, expected 1",
  );
  assert(newer.remedy?.includes("newer taffrail"));
});

Deno.test("parseRuntimeSnapshot() names an unknown field at the top and keeps one further inside", () => {
  const error = corruption(readRuntime((document) => document.displayName = "x"));
  assert(error.message.includes("unknown field `displayName`"), error.message);
  assert(error.remedy?.includes("remove the field"), error.remedy);
  const inside = readRuntime((document) => {
    document.limits = { ...goldenRuntime().limits, max_workers: 7 };
  });
  const printed = printRuntimeSnapshot(inside() as ReturnType<typeof goldenRuntime>);
  assert(printed.includes('"max_workers": 7'));
});

Deno.test("parseRuntimeSnapshot() says where a text stops to be JSON, and what to do", () => {
  const cut = GOLDEN_RUNTIME.slice(0, GOLDEN_RUNTIME.indexOf("status") + 3);
  const error = corruption(() => parseRuntimeSnapshot(cut, "p/x.json"));
  assertEquals(error.details.line, 6);
  assertEquals(error.details.byteOffset, cut.length);
  assert(error.message.includes(": EOF while parsing a string at line 6 column"), error.message);
  assert(error.remedy?.includes("`taffrail repair`"), error.remedy);
  assert(error.cause instanceof SyntaxError);
});

Deno.test("parseRuntimeSnapshot() refuses duplicate fields, other types and rounded numbers (J-6, J-8, J-10)", () => {
  const twice = GOLDEN_RUNTIME.replace('"status"', '"runtime_id": "x",\n  "status"');
  const duplicate = corruption(() => parseRuntimeSnapshot(twice, "p/x.json"));
  assert(duplicate.message.includes("duplicate field `runtime_id`"));
  for (const value of [1.5, "1", null, -1]) {
    corruption(readRuntime((document) => document.next_event_id = value));
  }
  const rounded = GOLDEN_RUNTIME.replace(
    '"next_event_id": 6',
    '"next_event_id": 9007199254740993',
  );
  const beyond = corruption(() => parseRuntimeSnapshot(rounded, "p/x.json"));
  assert(beyond.cause instanceof RangeError);
  const missing = corruption(readRuntime((document) => delete document.status));
  assert(missing.message.includes("missing field `status`"));
});

Deno.test("parseRuntimeSnapshot() takes what the seed may have left out (J-11)", () => {
  const read = readRuntime((document) => {
    delete document.config_bundles;
    delete document.display_name;
  });
  const { config_bundles, display_name } = read() as ReturnType<typeof goldenRuntime>;
  assertEquals([config_bundles, display_name], [{}, null]);
});

Deno.test("a snapshot cut at any byte, or with any byte made NUL, is refused with its place", () => {
  const bytes = encoder.encode(GOLDEN_FIRST_WORKER);
  for (let length = 0; length < bytes.length - 2; length++) {
    corruption(() => parseWorkerSnapshot(bytes.subarray(0, length), "p/x.json"));
  }
  for (let at = 0; at < bytes.length; at += 7) {
    corruption(() => parseWorkerSnapshot(bytes.with(at, 0), "p/x.json"));
  }
});
