/** Every row of `ReplayError`, the order of the checks, and what replay reports. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  type CaptureBundle,
  checkProvenance,
  compareDecisions,
  type EpisodeInvocationRecord,
  parseCaptureBundle,
  replayBundle,
  ReplayDivergedError,
  ReplayError,
  type ReplayErrorKind,
  type ReplayOptions,
  stringifyCaptureBundle,
  type V3CaptureBundle,
  validateBundle,
} from "../../capture/mod.ts";
import { FaultInvoker } from "../../supervisor/mod.ts";
import {
  at,
  createSupervisor,
  event,
  EXPECTED,
  newSession,
  sampleBundle,
  sampleInvoker,
} from "./_util.ts";

async function refused(
  bundle: CaptureBundle,
  kind: ReplayErrorKind,
  options: Partial<ReplayOptions> = {},
): Promise<ReplayError> {
  const error = await assertRejects(
    () => replayBundle(bundle, { createSupervisor, ...options }),
    ReplayError,
  );
  assertEquals(error.kind, kind);
  return error;
}

async function changed(change: (bundle: V3CaptureBundle) => void): Promise<V3CaptureBundle> {
  const bundle = structuredClone(await sampleBundle());
  change(bundle);
  return bundle;
}

const withPayload = (payload: string, hash: string) => (bundle: V3CaptureBundle) => {
  const bytes = [...new TextEncoder().encode(payload)];
  bundle.events[1] = { ...bundle.events[1]!, payload: bytes, payload_hash: hash };
};

/** The hash of `[]`. */
const LIST_HASH = "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

Deno.test("UnsupportedVersion (RPL-1)", async () => {
  const bundle = await changed((bundle) => bundle.capture_version = "v9");
  const error = await refused(bundle, "unsupported-version");
  assertEquals(error.message, "unsupported capture version 'v9'");
  assertEquals(error.details.captureVersion, "v9");
  // It can be parsed all the same, as by the seed.
  assertEquals(parseCaptureBundle(stringifyCaptureBundle(bundle)), bundle);
  const newer = '{"capture_version":"taffrail-v2"}';
  assertThrows(() => parseCaptureBundle(newer), ReplayError, "unsupported capture version");
});

Deno.test("HashMismatch (RPL-1, EVT-2)", async () => {
  const bundle = await changed((bundle) => bundle.events[2]!.payload.push(32));
  const error = await refused(bundle, "hash-mismatch", { strict: false });
  assertEquals(error.message, "payload hash mismatch for event 'e3'");
  const upperCase = await changed(({ events }) => {
    events[0]!.payload_hash = events[0]!.payload_hash.toUpperCase();
  });
  assertEquals((await refused(upperCase, "hash-mismatch")).details.eventId, "e1");
});

Deno.test("InvalidPayload comes up when the event's turn has come (RPL-4, EVT-7)", async () => {
  const bundle = await changed(withPayload("[]", LIST_HASH));
  validateBundle(bundle);
  const runs: string[] = [];
  const invoker = {
    run: ({ eventId }: { eventId: string }) => {
      runs.push(eventId);
      return "Completed" as const;
    },
  };
  const error = await refused(bundle, "invalid-payload", { invoker });
  assertEquals(
    error.message,
    "invalid payload for event 'e2': payload must be a JSON object, got array",
  );
  assertEquals(runs, ["e1"]);
});

Deno.test("DuplicateEventId in strict replay only (RPL-2, RPL-6, REP-8)", async () => {
  const session = newSession();
  await session.onEvent(event("x"));
  await session.onEvent(event("x"));
  const bundle = session.intoBundle();
  const error = await refused(bundle, "duplicate-event-id");
  assertEquals(error.message, "duplicate event_id 'x' in strict replay capture input");
  assert((await replayBundle(bundle, { createSupervisor, strict: false })).ok);
});

Deno.test("AdapterProvenanceMismatch: expected is the bundle's (PRV-4, W-ERGO-12)", () => {
  const bundle = { adapter_provenance: "adapter:a", runtime_provenance: "r" };
  const error = assertThrows(
    () => checkProvenance(bundle, { adapterProvenance: "adapter:b", runtimeProvenance: "other" }),
    ReplayError,
  );
  assertEquals(error.kind, "adapter-provenance-mismatch");
  assertEquals(
    error.message,
    "adapter provenance mismatch: expected 'adapter:a', got 'adapter:b'",
  );
  assertEquals([error.details.recorded, error.details.current], ["adapter:a", "adapter:b"]);
});

Deno.test("RuntimeProvenanceMismatch: expected is the caller's (PRV-5, W-ERGO-12)", async () => {
  const expected = { ...EXPECTED, runtimeProvenance: "rpv1:sha256:new" };
  const bundle = await sampleBundle();
  const error = await refused(bundle, "runtime-provenance-mismatch", { expected });
  assertEquals(
    error.message,
    "runtime provenance mismatch: expected 'rpv1:sha256:new', got 'rpv1:sha256:test'",
  );
  assertEquals([error.details.recorded, error.details.current], [
    "rpv1:sha256:test",
    "rpv1:sha256:new",
  ]);
  assert((await replayBundle(bundle, { createSupervisor, expected, strict: false })).ok);
});

Deno.test("UnexpectedAdapterProvidedForNoAdapterCapture (PRV-4)", async () => {
  const expected = { ...EXPECTED, adapterProvenance: "adapter:a" };
  const kind = "unexpected-adapter-provided-for-no-adapter-capture";
  const error = await refused(await sampleBundle(), kind, { expected });
  assertEquals(error.message, "bundle provenance is 'none'; adapter must not be provided");
});

Deno.test("AdapterRequiredForProvenancedCapture (PRV-4)", async () => {
  const bundle = await changed((bundle) => bundle.adapter_provenance = "adapter:a");
  const kind = "adapter-required-for-provenanced-capture";
  const error = await refused(bundle, kind, { expected: EXPECTED });
  assertEquals(error.message, "bundle is adapter-provenanced; adapter is required");
  const expected = { ...EXPECTED, adapterProvenance: "adapter:a" };
  assert((await replayBundle(bundle, { createSupervisor, expected })).ok);
});

Deno.test("EffectHashMismatch and InvalidEffect (W-ERGO-9, W-ERGO-11)", async () => {
  const tampered = await changed(({ decisions }) => {
    decisions[0]!.effects[1]!.effect.kind = "other";
  });
  const error = await refused(tampered, "effect-hash-mismatch", { strict: false });
  assertEquals([error.details.decisionIndex, error.details.effectIndex, error.details.eventId], [
    0,
    1,
    "e1",
  ]);
  assert(error.message.startsWith("Cannot replay: effect 1 of decision 0 (event 'e1')"));
  const notFinite = await changed(({ decisions }) => {
    decisions[0]!.effects[0]!.effect.writes[0]!.value = { Number: NaN };
  });
  const invalid = await refused(notFinite, "invalid-effect");
  assert(invalid.message.includes("$.writes[0].value.Number"), invalid.message);
});

Deno.test("the checks come in the seed's order, ours behind them (RPL-2)", async () => {
  const faults: [kind: ReplayErrorKind, change: (bundle: V3CaptureBundle) => void][] = [
    ["unsupported-version", (bundle) => bundle.capture_version = "v2"],
    ["hash-mismatch", ({ events }) => events[3]!.payload_hash = "none"],
    ["duplicate-event-id", ({ events }) => events[2]!.event_id = "e1"],
    [
      "adapter-required-for-provenanced-capture",
      (bundle) => bundle.adapter_provenance = "adapter:a",
    ],
    ["runtime-provenance-mismatch", (bundle) => bundle.runtime_provenance = "other"],
    ["invalid-payload", withPayload("[]", LIST_HASH)],
    ["effect-hash-mismatch", ({ decisions }) => decisions[0]!.effects[0]!.effect_hash = "none"],
  ];
  for (const [first, [kind]] of faults.entries()) {
    for (let second = first; second < faults.length; second++) {
      const bundle = await changed((bundle) => {
        faults[second]![1](bundle);
        faults[first]![1](bundle);
      });
      await refused(bundle, kind, { expected: EXPECTED });
    }
  }
});

Deno.test("EffectMismatch: compareDecisions() finds the first difference (RPL-7)", async () => {
  const { decisions } = await sampleBundle();
  const copy = () => structuredClone(decisions);
  const mismatch = (replayed: EpisodeInvocationRecord[]) => {
    const error = assertThrows(() => compareDecisions(decisions, replayed), ReplayError);
    assertEquals(error.kind, "effect-mismatch");
    return error;
  };
  assert(compareDecisions([], []));
  assert(compareDecisions(decisions, copy()));
  assert(!compareDecisions(decisions, copy().slice(1)));

  const fewer = copy();
  const [, dropped] = fewer[0]!.effects.splice(0, 2, fewer[0]!.effects[0]!);
  const error = mismatch(fewer);
  assertEquals(
    error.message,
    "effect mismatch at index 1 for event 'e1': expected 2 effects, got 1",
  );
  assertEquals([error.details.expected, error.details.actual], [dropped, undefined]);

  const otherValue = copy();
  otherValue[0]!.effects[0]!.effect.writes[0]!.value = { Number: 906.7979265841684 };
  const [hash] = decisions[0]!.effects.map(({ effect_hash }) => effect_hash);
  assertEquals(
    mismatch(otherValue).message,
    "effect mismatch at index 0 for event 'e1': effect mismatch at index 0: " +
      `expected hash '${hash}', got '${hash}'`,
  );
  const otherHash = copy();
  otherHash[0]!.effects[0]!.effect_hash = "tampered";
  assert(mismatch(otherHash).message.endsWith("got 'tampered'"));
  const otherKey = copy();
  otherKey[0]!.effects[0]!.effect.writes[0]!.key = "y";
  mismatch(otherKey);
});

Deno.test("compareDecisions(): the first difference counts, whatever its type (RPL-7)", async () => {
  const { decisions } = await sampleBundle();
  const replayed = structuredClone(decisions);
  replayed[0]!.effects = [];
  replayed[1]!.episode_id = 9;
  assertThrows(() => compareDecisions(decisions, replayed), ReplayError);
  replayed[0]!.retry_count = 9;
  assert(!compareDecisions(decisions, replayed));
  const others: Partial<EpisodeInvocationRecord>[] = [
    { event_id: "x" },
    { decision: "Skip" },
    { schedule_at: { secs: 9, nanos: 0 } },
    { episode_id: 9 },
    { deadline: { secs: 9, nanos: 0 } },
    { termination: "Aborted" },
    { retry_count: 9 },
  ];
  for (const other of others) {
    const replayed = structuredClone(decisions);
    replayed[0] = { ...replayed[0]!, ...other, effects: [] };
    assert(!compareDecisions(decisions, replayed));
  }
});

Deno.test("compareDecisions() leaves acks and interruption out (RPL-8)", async () => {
  const { decisions } = await sampleBundle();
  const replayed = structuredClone(decisions);
  const ack = { intent_id: "i", channel: "c", status: "accepted", acceptance: "durable" };
  replayed[0]!.intent_acks = [ack];
  replayed[0]!.interruption = "egress dispatch failed: x";
  assert(compareDecisions(decisions, replayed));
});

Deno.test("numbers in effects compare as numbers, hashes as texts (RPL-9)", async () => {
  const { decisions } = await sampleBundle();
  const withNumber = (value: number) => {
    const copy = structuredClone(decisions);
    copy[0]!.effects[0]!.effect.writes[0]!.value = { Number: value };
    return copy;
  };
  assert(compareDecisions(withNumber(0), withNumber(-0)));
  assertThrows(() => compareDecisions(withNumber(NaN), withNumber(NaN)), ReplayError);
});

Deno.test("a replay gives the decisions without effects (RPL-5)", async () => {
  const bundle = await sampleBundle();
  const { ok, decisions, redacted } = await replayBundle(bundle, {
    createSupervisor,
    expected: EXPECTED,
  });
  assert(ok && !redacted);
  assertEquals(decisions, bundle.decisions.map((decision) => ({ ...decision, effects: [] })));
});

Deno.test("a replay holds no second record of a decision that it made as recorded", async () => {
  const bundle = await changed(({ decisions }) => decisions[2]!.episode_id = 99);
  const { decisions } = await replayBundle(bundle, { createSupervisor });
  assertEquals(
    decisions.map((decision, index) => decision === bundle.decisions[index]),
    bundle.decisions.map(({ effects }, index) => effects.length === 0 && index !== 2),
  );
});

Deno.test("what is written and read again replays, exact floats included (W-ERGO-1)", async () => {
  const bundle = await sampleBundle();
  const again = parseCaptureBundle(stringifyCaptureBundle(bundle, "pretty"));
  assertEquals(again, bundle);
  assert(compareDecisions(bundle.decisions, again.decisions));
  await assertReplays(again, { createSupervisor, expected: EXPECTED });
  await assertReplays(again, { createSupervisor, invoker: sampleInvoker() });
});

Deno.test("a decision that is missing, extra or another is reported alone (W-ERGO-15)", async () => {
  const report = async (change: (bundle: V3CaptureBundle) => void) => {
    const { ok, divergences } = await replayBundle(await changed(change), { createSupervisor });
    assert(!ok);
    return divergences.map(({ kind, index, event, path }) => [kind, index, event, path]);
  };
  assertEquals(await report(({ decisions }) => decisions.splice(1, 1)), [
    ["extra", 1, "e2", "$.decisions[1]"],
  ]);
  assertEquals(await report(({ decisions }) => decisions.splice(2, 0, decisions[2]!)), [
    ["missing", 3, "e3", "$.decisions[3]"],
  ]);
  assertEquals(await report(({ decisions }) => decisions[1]!.schedule_at = at(11)), [
    ["changed", 1, "e2", "$.decisions[1].schedule_at.secs"],
  ]);
  const all = await report((bundle) => bundle.decisions = []);
  assertEquals(all.map(([kind]) => kind), Array(6).fill("extra"));
});

Deno.test("a divergence says what was before it", async () => {
  const bundle = await changed(({ decisions }) => decisions[4]!.episode_id = 7);
  const { divergences } = await replayBundle(bundle, { createSupervisor });
  assertEquals(divergences.map(({ recorded, replayed }) => [recorded, replayed]), [[7, 1]]);
  assertEquals(divergences[0]!.context.map(({ event_id }) => event_id), ["e2", "e3", "p1"]);
  const error = await assertRejects(
    () => assertReplays(bundle, { createSupervisor }),
    ReplayDivergedError,
    "changed $.decisions[4].episode_id (event 'p2'): recorded 7, replayed 1",
  );
  assertEquals(error.details.divergences, divergences);
});

Deno.test("a field that nobody knows survives and is reported (W-ERGO-10)", async () => {
  const text = stringifyCaptureBundle(await sampleBundle())
    .replace('"retry_count":0,"effects":[]', '"retry_count":0,"effects":[],"intent_ack":[1.0]');
  const bundle = parseCaptureBundle(text);
  assertEquals(stringifyCaptureBundle(bundle), text);
  const { divergences } = await replayBundle(bundle, { createSupervisor });
  assertEquals(divergences.map(({ kind, path }) => [kind, path]), [
    ["unknown", "$.decisions[1].intent_ack"],
  ]);
  assert((await replayBundle(bundle, { createSupervisor, strict: false })).ok);
});

Deno.test("an unknown field of an input is found where it stands", async () => {
  const session = newSession({ mode: "concurrent" });
  await session.onEvent(event("e1"));
  await session.supervisor.idle();
  await session.onEvent(event("e2"));
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  Object.assign(bundle.inputs[2]!, { event_tim: 1 });
  const { divergences } = await replayBundle(bundle, { createSupervisor });
  assertEquals(divergences.map(({ kind, index, path }) => [kind, index, path]), [
    ["unknown", 2, "$.inputs[2].event_tim"],
  ]);
});

Deno.test("with an invoker the attempts are made again", async () => {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", "Completed"]);
  const report = await replayBundle(await sampleBundle(), { createSupervisor, invoker });
  assertEquals(
    report.divergences.map(({ path, recorded, replayed }) => [path, recorded, replayed]),
    [
      ["$.decisions[0].retry_count", 2, 1],
      ["$.decisions[4].termination", { Failed: "SemanticError" }, "Completed"],
    ],
  );
});

Deno.test("a signal breaks a replay off", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const invoker = {
    run: () => {
      controller.abort(reason);
      return new Promise<never>(() => {});
    },
  };
  const options = { createSupervisor, invoker, signal: controller.signal };
  const bundle = await sampleBundle();
  await assertRejects(() => replayBundle(bundle, options), Error, "enough");
  await assertRejects(() => replayBundle(bundle, options), Error, "enough");
});

Deno.test("SCH-8 in a recording of the original program one limit of the rate alone limits nothing", async () => {
  const session = newSession();
  for (const id of ["e1", "e2", "e3"]) await session.onEvent(event(id));
  const recorded = JSON.parse(stringifyCaptureBundle(session.intoBundle()));
  assertEquals(recorded.capture_version, "v3");
  for (const alone of [{ max_per_window: 1 }, { rate_window: at(10) }]) {
    const text = JSON.stringify({ ...recorded, config: { ...recorded.config, ...alone } });
    const report = await replayBundle(parseCaptureBundle(text), { createSupervisor });
    assertEquals(report.divergences, []);
    const decisions = report.decisions.map(({ event_id, decision }) => `${event_id} ${decision}`);
    assertEquals(decisions, ["e1 Invoke", "e2 Invoke", "e3 Invoke"]);
    const invoker = new FaultInvoker();
    assert((await replayBundle(parseCaptureBundle(text), { createSupervisor, invoker })).ok);
  }
});
