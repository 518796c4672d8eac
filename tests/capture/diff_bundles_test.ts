import { assertEquals } from "@std/assert";
import { diffBundles } from "../../capture/mod.ts";
import { event, newSession, sampleBundle } from "./_util.ts";

Deno.test("diffBundles() finds nothing in equal bundles", async () => {
  const bundle = await sampleBundle();
  assertEquals(diffBundles(bundle, structuredClone(bundle)), []);
});

Deno.test("diffBundles() tells changed, missing and extra records apart", async () => {
  const bundle = await sampleBundle();
  const other = structuredClone(bundle);
  other.egress_provenance = "epv1:sha256:x";
  other.events.splice(1, 1);
  other.decisions[0]!.interruption = "broken";
  other.decisions.push(other.decisions[0]!);
  assertEquals(diffBundles(bundle, other), [
    { kind: "missing", path: "$.events[1]", before: bundle.events[1], after: undefined },
    {
      kind: "changed",
      path: "$.decisions[0].interruption",
      before: undefined,
      after: "broken",
    },
    { kind: "extra", path: "$.decisions[6]", before: undefined, after: other.decisions[0] },
    { kind: "changed", path: "$.egress_provenance", before: undefined, after: "epv1:sha256:x" },
  ]);
});

Deno.test("diffBundles() compares two formats in what both can say", async () => {
  const serial = newSession();
  const concurrent = newSession({
    mode: "concurrent",
    invoker: { run: () => new Promise(() => {}) },
  });
  for (const session of [serial, concurrent]) await session.onEvent(event("e1"));
  assertEquals(diffBundles(serial.intoBundle(), concurrent.intoBundle()), [
    { kind: "changed", path: "$.capture_version", before: "v3", after: "taffrail-v1" },
    {
      kind: "changed",
      path: "$.decisions[0].termination",
      before: "Completed",
      after: null,
    },
  ]);
});
