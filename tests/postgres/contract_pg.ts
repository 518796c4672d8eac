/** The contracts of roots and of logs, in full, on a server that is interrupted and crashes. */
import { openPostgresLog, openPostgresRoot } from "../../postgres/mod.ts";
import { type ContractEvent, eventLogContract, runsRootContract } from "../../testing/mod.ts";
import { longCount } from "../_util/temp.ts";
import { clientOf } from "./_client.ts";
import { faultsOf, startForgetfulServer } from "./_faults.ts";
import { holderCommand } from "./_holder.ts";
import { withRoles } from "./_roles.ts";

const server = await startForgetfulServer();
Deno.test.afterAll(() => server[Symbol.asyncDispose]());

/** Runs `use` with a new database that has the schema, as a role that may run and nothing else. */
async function withRoot(use: (url: string) => Promise<void>): Promise<void> {
  await withRoles(server, ({ runner }) => use(runner));
}

const rootTests = runsRootContract(
  (use) =>
    withRoot((url) => {
      const open = () => openPostgresRoot(clientOf(url));
      return use({ open, holder: (runId) => holderCommand(url, runId), server: faultsOf(server) });
    }),
  { rounds: longCount(5, 300), server: true },
);

for (const { name, fn } of rootTests) {
  Deno.test(`the root on PostgreSQL keeps the contract: ${name}`, fn);
}

for (const durability of ["os", "disk"] as const) {
  const logTests = eventLogContract(
    (use) =>
      withRoot((url) => {
        const open = () =>
          openPostgresLog<ContractEvent>(clientOf(url), { runId: "demo", durability });
        return use(open, faultsOf(server));
      }),
    { rounds: longCount(10, 500), server: true },
  );
  for (const { name, fn } of logTests) {
    Deno.test(`the log on PostgreSQL, durability "${durability}", keeps the contract: ${name}`, fn);
  }
}
