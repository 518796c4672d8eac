/** Holds a run until it is killed: `holder.ts ROOT RUN`. */
import { openFileRoot } from "../../../../run/mod.ts";
import { holdUntilKilled } from "../../../../testing/mod.ts";

const [path = "", runId = ""] = Deno.args;
await holdUntilKilled(openFileRoot(path), runId);
