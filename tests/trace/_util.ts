/** What the tests of the recorder share. */
import type {
  NodeEvent,
  TraceClock,
  TraceConfig,
  TraceEnvelope,
  TraceRecorderOptions,
} from "../../trace/mod.ts";

/** A clock that stands still until it is told to go on. */
export class ManualClock implements TraceClock {
  /** Milliseconds since 1970. */
  now = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

  wallMs(): number {
    return this.now;
  }

  monotonicMs(): number {
    // Its zero is another one, as with the system's.
    return this.now - 1_000_000.25;
  }
}

/** An event of a node. */
export function eventOf(node: string, more: Partial<NodeEvent> = {}): NodeEvent {
  return {
    context: { flow_id: "demo.flow", attempt: 1 },
    node_id: node,
    node: { component_id: "component.exec", operation_name: "process" },
    payload: { node },
    ...more,
  };
}

/** The options of a recorder that writes into a directory. */
export function optionsFor(
  directory: string,
  config: Partial<TraceConfig> = {},
): TraceRecorderOptions {
  return {
    config: { outPath: `${directory}/trace.json`, ...config },
    context: { pack_ref: "demo", flow_id: "demo.flow", flow_version: "0.0.0" },
    runId: "run-1",
    clock: new ManualClock(),
  };
}

/** What a file says. */
export function readEnvelope(path: string): TraceEnvelope {
  return JSON.parse(Deno.readTextFileSync(path));
}

/** The nodes of the steps of a trace, with what became of them. */
export function nodesOf({ steps }: TraceEnvelope): string[] {
  return steps.map(({ node_id, status, error }) => `${node_id} ${error?.message ?? status}`);
}
