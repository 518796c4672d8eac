/** Holds a run until it is killed: `holder.ts URL RUN`. */
import { openPostgresRoot } from "../../../postgres/mod.ts";
import { holdUntilKilled } from "../../../testing/mod.ts";
import { clientOf } from "../_client.ts";

const [url = "", runId = ""] = Deno.args;
const root = await openPostgresRoot(clientOf(url));
await holdUntilKilled(root, runId);
await root[Symbol.asyncDispose]();
