/**
 * Asks without a pause whether a run is live, until it is told to stop; then it says how often.
 *
 * Usage: prober.ts ROOT RUN_ID
 */
import { isLive } from "../../../eventlog/mod.ts";
import { commands, nextTurn, say } from "./_pipe.ts";

const [root = "", runId = ""] = Deno.args;
const ROUNDS_A_TURN = 20;

let stopped = false;
const listening = (async () => {
  for await (const _ of commands()) stopped = true;
  stopped = true;
})();

say("asking");
let count = 0;
while (!stopped) {
  for (let round = 0; round < ROUNDS_A_TURN; round++, count++) await isLive(root, runId);
  await nextTurn();
}
say(`asked ${count}`);
await listening;
