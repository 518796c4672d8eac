import { openEventLog } from "../../eventlog/mod.ts";
import { type ContractEvent, eventLogContract } from "../../testing/mod.ts";
import { longCount, withTempDir } from "../_util/temp.ts";

for (const durability of ["os", "disk"] as const) {
  const tests = eventLogContract(
    (use) =>
      withTempDir((root) =>
        use(() => openEventLog<ContractEvent>({ root, runId: "demo", durability }))
      ),
    { rounds: longCount(20, 500) },
  );
  for (const { name, fn } of tests) {
    Deno.test(`the file log, durability "${durability}", keeps the contract: ${name}`, fn);
  }
}
