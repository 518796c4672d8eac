/**
 * The command, which meets its end at a given operation on a file of its run. The first argument is the
 * point as JSON, see {@linkcode Point}; the others are those of the command.
 */
import { main } from "../../cli/main.ts";
import { endAt } from "../_util/end_at.ts";

const [point = "", ...args] = Deno.args;
endAt(JSON.parse(point));
Deno.exit(await main(args));
