/** Loaded before a program, which then meets its end at the point that stands in `KILLED_AT`. */
import { endAt } from "./end_at.ts";

endAt(JSON.parse(Deno.env.get("KILLED_AT")!));
