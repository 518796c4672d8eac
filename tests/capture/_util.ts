import {
  type CaptureBundle,
  CapturingSession,
  type CapturingSessionOptions,
  type V3CaptureBundle,
} from "../../capture/mod.ts";
import {
  createEvent,
  type ExternalEvent,
  type ExternalEventKind,
  FaultInvoker,
  MemoryDecisionLog,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";

export const RUNTIME = "rpv1:sha256:test";

export const EXPECTED = { adapterProvenance: "none", runtimeProvenance: RUNTIME };

export const NO_LIMITS = {
  max_in_flight: null,
  max_per_window: null,
  rate_window: null,
  deadline: null,
  max_retries: 0,
};

export function createSupervisor(options: SupervisorOptions): Supervisor {
  return new Supervisor(options);
}

export function at(secs: number) {
  return { secs, nanos: 0 };
}

export function event(
  id: string,
  secs = 0,
  { kind = "Command", payload = "" }: { kind?: ExternalEventKind; payload?: string } = {},
): ExternalEvent {
  return createEvent({ id, kind, at: at(secs), payload });
}

/** What a session needs at least: a memory log, and an invoker that completes everything. */
export function sessionOptions() {
  return {
    graphId: "g",
    constraints: { max_retries: 0 },
    decisionLog: new MemoryDecisionLog(),
    invoker: new FaultInvoker(),
    createSupervisor,
    runtimeProvenance: RUNTIME,
  };
}

/** A session of {@linkcode sessionOptions}. */
export function newSession(
  options: Partial<CapturingSessionOptions<Supervisor>> = {},
): CapturingSession<Supervisor> {
  return new CapturingSession({ ...sessionOptions(), ...options });
}

/** A bundle of a serial session with a retry, deferrals, Pumps, payloads and effects. */
export async function sampleBundle(): Promise<V3CaptureBundle> {
  const session = newSession({
    constraints: { max_retries: 2, max_per_window: 1, rate_window: at(10) },
    invoker: sampleInvoker(),
  });
  await session.onEvent(event("e1", 0, { payload: '{"x":1}' }));
  await session.setEffects(0, [
    { kind: "set_context", writes: [{ key: "x", value: { Number: 906.7979265841685 } }] },
    {
      kind: "place_order",
      writes: [],
      intents: [{ kind: "place_order", intent_id: "eid1:sha256:00", fields: [] }],
    },
  ]);
  await session.onEvent(event("e2", 1));
  await session.onEvent(event("e3", 2, { kind: "DataAvailable" }));
  await session.onEvent(event("p1", 5, { kind: "Pump" }));
  await session.onEvent(event("p2", 10, { kind: "Pump" }));
  await session.onEvent(event("p3", 20, { kind: "Pump" }));
  return asV3(session.intoBundle());
}

/** How the attempts of {@linkcode sampleBundle} end. */
export function sampleInvoker(): FaultInvoker {
  const invoker = new FaultInvoker();
  invoker.pushOutcomes("e1", ["TimedOut", { Failed: "NetworkTimeout" }, "Completed"]);
  invoker.pushOutcomes("e2", [{ Failed: "SemanticError" }]);
  return invoker;
}

export function asV3(bundle: CaptureBundle): V3CaptureBundle {
  if ("inputs" in bundle) throw new Error("The bundle is not of the seed's format");
  return bundle;
}
