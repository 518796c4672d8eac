/** The page of a run, shown live. */
import { part } from "./dom.js";
import { Live } from "./live.js";
import { update } from "./main.js";

new Live(JSON.parse(part("data").textContent ?? ""), {
  list: "nodes",
  readAt: "readMs",
  update,
  isMoving: ({ run }) => run.isLive,
});
