/** The page of a run, shown live. */
import { Live } from "./live.js";
import { given, update } from "./main.js";

new Live(given, {
  list: "nodes",
  readAt: "readMs",
  update,
  isMoving: ({ run }) => run.isLive,
});
