import { openEventLog } from "../../eventlog/mod.ts";
import { type ContractEvent, eventLogContract } from "../_util/event_log_contract.ts";
import { withTempDir } from "../_util/temp.ts";

for (const durability of ["os", "disk"] as const) {
  eventLogContract(
    `the file log, durability "${durability}",`,
    (use) =>
      withTempDir((root) =>
        use(() => openEventLog<ContractEvent>({ root, runId: "demo", durability }))
      ),
  );
}
