import { openFileRoot } from "../../../run/mod.ts";
import { runsRootContract } from "../../../testing/mod.ts";
import { longCount, withTempDir } from "../../_util/temp.ts";
import { holderCommand } from "./_holder.ts";

const tests = runsRootContract(
  (use) =>
    withTempDir((path) =>
      use({ open: () => openFileRoot(path), holder: (runId) => holderCommand(path, runId) })
    ),
  { rounds: longCount(10, 300) },
);

for (const { name, fn } of tests) Deno.test(`the file root keeps the contract: ${name}`, fn);
