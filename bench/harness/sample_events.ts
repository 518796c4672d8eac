/** An event as programs write them: seven members, one of them an object. */
export interface SampleEvent {
  /** Counts the events. */
  index: number;
  /** A lower-case ULID. */
  id: string;
  /** RFC 3339. */
  ts: string;
  /** The run. */
  run_id: string;
  /** The tag. */
  type: string;
  /** The node. */
  node_id: string;
  /** An object inside. */
  output: { code: number; duration_ms: number };
}

/** The bytes of an event as JSON, without its newline. */
export const EVENT_BYTES = 202;

const FIRST_INDEX = 1_000_000;

/** The event number `index`; all have the same length. */
export function sampleEvent(index: number): SampleEvent {
  return {
    index: FIRST_INDEX + index,
    id: "01j9zk3v5m8q2r7w4x6y0a1b2c",
    ts: "2025-06-01T12:00:00Z",
    run_id: "run-01j9zk3v5m8q2r7w4x6y0a1b2c",
    type: "node.completed",
    node_id: "check",
    output: { code: 0, duration_ms: 1000 + index % 9000 },
  };
}

/** The events from number 0 on. */
export function sampleEvents(count: number): SampleEvent[] {
  return Array.from({ length: count }, (_, index) => sampleEvent(index));
}

/** The bytes that baselines write again and again: one line, as long as those of the events. */
export function constantLine(): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(sampleEvent(0)) + "\n");
}
