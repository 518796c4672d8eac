import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { CapturingSession, TaffrailCaptureBundle } from "../../capture/mod.ts";
import { createEvent, FaultInvoker, MemoryDecisionLog } from "../../supervisor/mod.ts";
import { asV3, at, createSupervisor, event, newSession, NO_LIMITS, RUNTIME } from "./_util.ts";

function asTaffrails(bundle: object): TaffrailCaptureBundle {
  assert("inputs" in bundle);
  return bundle as TaffrailCaptureBundle;
}

Deno.test("a bundle says at once what the session knows (CAP-1)", () => {
  assertEquals(newSession().intoBundle(), {
    capture_version: "v3",
    graph_id: "g",
    config: NO_LIMITS,
    events: [],
    decisions: [],
    adapter_provenance: "none",
    runtime_provenance: RUNTIME,
  });
  const options = { adapterProvenance: "adapter:a@1;sha256:0", egressProvenance: "epv1:sha256:x" };
  const { adapter_provenance, egress_provenance } = newSession(options).intoBundle();
  assertEquals(adapter_provenance, options.adapterProvenance);
  assertEquals(egress_provenance, options.egressProvenance);
});

Deno.test("an event is recorded before the supervisor handles it (CAP-2)", async () => {
  const undecided: string[][] = [];
  const session: CapturingSession<ReturnType<typeof createSupervisor>> = newSession({
    invoker: {
      run: () => {
        undecided.push(session.undecided.map(({ event_id }) => event_id));
        return "Completed";
      },
    },
  });
  await session.onEvent(event("e1"));
  await session.onEvent(event("e2"));
  assertEquals(undecided, [["e1"], ["e2"]]);
  assertEquals(session.undecided, []);
});

Deno.test("a decision goes to the inner log first, and has no effects (CAP-3, EFX-5)", async () => {
  const counts: number[] = [];
  const session: CapturingSession<ReturnType<typeof createSupervisor>> = newSession({
    decisionLog: { log: () => void counts.push(session.decisionCount) },
  });
  await session.onEvent(event("e1"));
  await session.onEvent(event("e2"));
  assertEquals(counts, [0, 1]);
  assertEquals(session.intoBundle().decisions.map(({ effects }) => effects), [[], []]);
});

Deno.test("intoBundle() gives the bundle away once (CAP-4)", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  assertEquals(session.intoBundle().decisions.length, 1);
  assertThrows(() => session.intoBundle(), TypeError, "the bundle of this session was taken");
  await assertRejects(() => session.setEffects(0, []), TypeError, "was taken");
  await assertRejects(() => session.onEvent(event("e2")), TypeError, "was taken");
});

Deno.test("an inner log that fails leaves no event without decision (W-ERGO-7)", async () => {
  const session = newSession({
    decisionLog: {
      log: ({ event_id }) => {
        if (event_id === "e2") throw new Error("full");
      },
    },
  });
  await session.onEvent(event("e1"));
  await assertRejects(() => session.onEvent(event("e2")), Error, "full");
  await assertRejects(() => session.onEvent(event("e3")), Error, "full");
  assertEquals(session.undecided.map(({ event_id }) => event_id), ["e2"]);
  const bundle = asV3(session.intoBundle());
  assertEquals(bundle.events.map(({ event_id }) => event_id), ["e1"]);
  assertEquals(bundle.decisions.map(({ event_id }) => event_id), ["e1"]);
});

Deno.test("an inner log that rejects is waited for", async () => {
  const session = newSession({ decisionLog: { log: () => Promise.reject(new Error("gone")) } });
  await assertRejects(() => session.onEvent(event("e1")), Error, "gone");
  assertEquals(session.decisionCount, 0);
});

Deno.test("effects belong to a decision by its index, and the last ones count (EFX-5)", async () => {
  const session = newSession();
  await session.onEvent(event("same"));
  await session.onEvent(event("same"));
  const effect = (value: number) => ({
    kind: "set_context",
    writes: [{ key: "x", value: { Number: value } }],
  });
  await session.setEffects(1, [effect(1)]);
  await session.setEffects(1, [effect(-0), effect(0)]);
  await assertRejects(() => session.setEffects(2, []), RangeError, "there are 2 decisions");
  await assertRejects(() => session.setEffects(0, [effect(NaN)]), TypeError, "writes[0]");
  const { decisions } = session.intoBundle();
  assertEquals(decisions[0]!.effects, []);
  assertEquals(decisions[1]!.effects.map(({ effect_hash }) => effect_hash.slice(0, 8)), [
    "594fdd57",
    "bf8c68f2",
  ]);
});

Deno.test("effects are taken as they are at the call", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  const effect = { kind: "a", writes: [{ key: "x", value: { Number: 1 } }] };
  await session.setEffects(0, [effect]);
  effect.kind = "b";
  assertEquals(session.intoBundle().decisions[0]!.effects[0]!.effect.kind, "a");
});

Deno.test("what the seed's format cannot say makes a bundle of our own", async () => {
  const concurrent = newSession({ mode: "concurrent" });
  assertEquals(concurrent.intoBundle().capture_version, "taffrail-v1");
  const backoff = { initial: at(1), factor: 2, max: at(9) };
  assertEquals(newSession({ backoff }).intoBundle().capture_version, "taffrail-v1");
  assertEquals(newSession({ maxDeferred: 5 }).intoBundle().capture_version, "taffrail-v1");
  const redacted = newSession({ redact: (value) => value });
  assertEquals(asTaffrails(redacted.intoBundle()).redacted, true);

  const session = newSession({ constraints: { max_retries: 0, max_in_flight: 0 }, maxDeferred: 0 });
  await session.onEvent(event("e1"));
  const { decisions, max_deferred } = asTaffrails(session.intoBundle());
  assertEquals(max_deferred, 0);
  assertEquals(decisions.map(({ decision, reason }) => [decision, reason]), [[
    "Skip",
    "queue_full",
  ]]);
});

Deno.test("a concurrent session records events and ends of attempts in one list", async () => {
  const answers = new Map<string, PromiseWithResolvers<"Completed">>();
  const session = newSession({
    mode: "concurrent",
    invoker: {
      run: ({ eventId }) => {
        answers.set(eventId, Promise.withResolvers());
        return answers.get(eventId)!.promise;
      },
    },
  });
  for (const id of ["e1", "e2", "e3"]) await session.onEvent(event(id));
  answers.get("e2")!.resolve("Completed");
  while (session.decisionCount < 4) await Promise.resolve();
  answers.get("e1")!.resolve("Completed");
  while (session.decisionCount < 5) await Promise.resolve();
  assertEquals(session.interrupted, [
    { event_id: "e3", episode_id: 2, attempt: 1, termination: null },
  ]);
  const { inputs, decisions } = asTaffrails(session.intoBundle());
  assertEquals(
    inputs.map((input) => input.type === "event" ? input.event_id : input.episode_id),
    ["e1", "e2", "e3", 1, 0],
  );
  assertEquals(decisions.map(({ decision, origin_event_id }) => `${decision} ${origin_event_id}`), [
    "Invoke e1",
    "Invoke e2",
    "Invoke e3",
    "Finish e2",
    "Finish e1",
  ]);
});

Deno.test("a supervisor that was not given every option is found out", async () => {
  const session = newSession({
    createSupervisor: ({ inputLog: _, ...options }) => createSupervisor(options),
  });
  await assertRejects(() => session.onEvent(event("e1")), TypeError, "pass on every option");
});

Deno.test("redact replaces values before they are recorded and hashed", async () => {
  const seen: unknown[] = [];
  const paths: string[] = [];
  const session = newSession({
    redact: (value, path) => {
      paths.push(path);
      if (path === "$.bad") throw new Error("cannot");
      return path.endsWith("token") ? "***" : value;
    },
    invoker: {
      run: ({ context }) => {
        seen.push(context.get("token"));
        return "Completed";
      },
    },
  });
  const payload = '{"token":"secret","bad":1,"deep":{"token":"secret","n":1.0}}';
  await session.onEvent(event("e1", 0, { payload }));
  await session.onEvent(event("e2", 0, { payload: '{ "n": 1.0 }' }));
  await session.setEffects(0, [{
    kind: "set_context",
    writes: [{ key: "token", value: { String: "secret" } }, { key: "n", value: { Number: 1 } }],
  }]);
  const { inputs, decisions } = asTaffrails(session.intoBundle());
  const payloads = inputs.flatMap((input) => input.type === "event" ? [input.payload] : []);
  assertEquals(payloads, [
    '{"token":"***","bad":"[redaction failed]","deep":{"token":"***","n":1}}',
    '{ "n": 1.0 }',
  ]);
  assertEquals(decisions[0]!.effects[0]!.effect.writes, [
    { key: "token", value: { String: "***" } },
    { key: "n", value: { Number: 1 } },
  ]);
  assertEquals(seen[0], { String: "secret" });
  assert(paths.includes("$.deep.token"));
});

Deno.test("options that the supervisor refuses are refused", () => {
  assertThrows(() => newSession({ constraints: { max_retries: -1 } }), RangeError, "max_retries");
  assertThrows(
    () => newSession({ mode: "concurrent", constraints: { max_retries: 0, deadline: at(1) } }),
    TypeError,
    "timers",
  );
});

Deno.test("close() waits for the supervisor, and the bundle can be taken then", async () => {
  const log = new MemoryDecisionLog();
  const session = newSession({ decisionLog: log, invoker: new FaultInvoker() });
  {
    await using open = session;
    void open.onEvent(createEvent({ id: "e1", kind: "Command", at: at(0) }));
  }
  assertEquals(log.entries.length, 1);
  assertEquals(session.intoBundle().decisions.length, 1);
});
