/**
 * Decides what runs when, deterministically: the same events give the same decisions, and every
 * decision says why.
 *
 * {@linkcode Supervisor} takes events, keeps limits (in flight, per time window, retries, deadlines),
 * has an invoker do the work and logs each decision. It has no clock of its own, so that
 * a recording of its inputs replays exactly, in `"concurrent"` mode too. {@linkcode PumpDriver} gives it
 * one.
 *
 * Permissions: none.
 *
 * @module
 */
export { ExternalEventPayloadError } from "../_internal/event_payload.ts";
export type {
  ExternalEventPayloadErrorDetails,
  ExternalEventPayloadErrorKind,
} from "../_internal/event_payload.ts";
export { createEvent } from "./core/create_event.ts";
export { FaultInvoker, MemoryDecisionLog } from "./driver/memory_ports.ts";
export { PumpDriver } from "./driver/pump_driver.ts";
export type { PumpDriverOptions } from "./driver/pump_driver.ts";
export { Supervisor } from "./driver/supervisor.ts";
export { ManualTimers, systemTimers } from "./driver/timers.ts";
export type * from "./state.ts";
export type * from "./types.ts";
export { TaffrailError, type TaffrailErrorOptions } from "../_internal/errors.ts";
