/**
 * Supervise local work, record what happened so that nothing acknowledged is lost, and replay it.
 *
 * Every module can be imported by itself, which loads nothing of the others:
 * `@taffrail/taffrail/eventlog`.
 *
 * @module
 */
export * from "./capture/mod.ts";
export * from "./eventlog/mod.ts";
export * from "./store/mod.ts";
export * from "./supervisor/mod.ts";
