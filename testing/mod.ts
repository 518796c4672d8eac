/**
 * Contract suites: what every implementation of a port has to keep, as lists of tests for any test runner.
 * {@linkcode eventLogContract} is for engines of event logs, {@linkcode runsRootContract} for roots of runs.
 *
 * @example Test a log of your own
 * ```ts
 * import { openEventLog } from "@taffrail/taffrail/eventlog";
 * import { type ContractEvent, eventLogContract } from "@taffrail/taffrail/testing";
 *
 * const tests = eventLogContract(async (use) => {
 *   const root = await Deno.makeTempDir();
 *   await use(() => openEventLog<ContractEvent>({ root, runId: "demo" })); // your engine
 * });
 * await tests[0]?.fn(); // or: for (const { name, fn } of tests) Deno.test(name, fn);
 * ```
 *
 * @module
 */
export type * from "./types.ts";
export { eventLogContract, type ProvideLog } from "./event_log_contract.ts";
export { type ProvideRoot, runsRootContract } from "./runs_root_contract.ts";
export { holdUntilKilled, type RootUse } from "./runs_root_use.ts";
