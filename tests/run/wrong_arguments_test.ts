import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openRun } from "../../run/mod.ts";
import { RunWorkers } from "../../run/run_workers.ts";
import { withTempDir } from "../_util/temp.ts";

/** What plain JavaScript can call: no compiler stands in between. */
type Call = (options?: unknown) => Promise<unknown>;

Deno.test("a call without a required option, or with one of a wrong type, is refused by its name", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    const invoker = { run: () => "Completed" };
    const constraints = { max_retries: 0 };
    const whole = { root, name: "a", constraints, invoker };
    const ofRun: [options: unknown, name: string][] = [
      [undefined, "options"],
      [null, "options"],
      [{}, "root"],
      [{ ...whole, root: 7 }, "root"],
      [{ ...whole, name: undefined }, "name"],
      [{ ...whole, name: null }, "name"],
      [{ ...whole, constraints: "none" }, "constraints"],
      [{ ...whole, invoker: () => "Completed" }, "invoker"],
      [{ ...whole, invoker: {} }, "run"],
      [{ ...whole, durability: 1 }, "durability"],
      [{ ...whole, runtimeProvenance: {} }, "runtimeProvenance"],
      [{ ...whole, trace: "always" }, "trace"],
      [{ ...whole, redactTrace: {} }, "redactTrace"],
      [{ ...whole, onTraceError: "log" }, "onTraceError"],
      [{ ...whole, runId: 1 }, "runId"],
      [{ ...whole, version: 3 }, "version"],
      [{ ...whole, accept: "a" }, "accept"],
      [{ ...whole, retryFailed: false }, "retryFailed"],
      [{ ...whole, command: true }, "command"],
      [{ ...whole, signal: {} }, "signal"],
    ];
    const ofWorkers: [options: unknown, name: string][] = [
      [undefined, "options"],
      [{ runId: "a", name: "a" }, "root"],
      [{ root, name: "a" }, "runId"],
      [{ root, runId: "a", name: 1 }, "name"],
    ];
    const calls: [Call, [options: unknown, name: string][]][] = [
      [openRun as Call, ofRun],
      [RunWorkers.open as Call, ofWorkers],
    ];
    for (const [call, wrong] of calls) {
      for (const [options, name] of wrong) {
        const error = await assertRejects(() => call.call(RunWorkers, options), TypeError);
        assert(error.message.startsWith("Cannot use "), error.message);
        assertStringIncludes(error.message, name);
      }
    }
    assertEquals(await Array.fromAsync(Deno.readDir(directory)), []);
  }));
