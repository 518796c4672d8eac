/** The page as a whole: it shows its data, and newer data when it is given any. */
/** @import { PageData } from "../page_data.ts" */
import { element, part, show } from "./dom.js";
import { durationText, MARKS, WORDS } from "./words.js";

/**
 * Shows the data; what was chosen, searched for and scrolled to stays.
 *
 * @param {PageData} data What is shown from now on.
 */
export function update(data) {
  const { run, nodes } = data;
  show(part("title"), run, () => [`${run.name || run.id} ${run.outcomeText}`]);
  show(part("why"), run.why, (lines) => lines.map((line) => element("p", "", line)));
  show(part("next"), run.next, (hints) =>
    hints.map(({ text, command }) => {
      return element(
        "p",
        "",
        text,
        command === undefined ? "" : element("code", "", ` ${command}`),
      );
    }));
  show(part("nodes"), nodes, () =>
    nodes.map((node) => {
      const outputs = node.attempts.flatMap(({ outputs }) => outputs);
      return element(
        "details",
        { open: node.state === "failed" },
        element("summary", "", `${MARKS[node.state]} ${node.id} ${node.text || WORDS[node.state]}`),
        ...node.attempts.map(({ number, text, startMs = 0, endMs = startMs }) => {
          return element("p", "", `attempt ${number} ${text} ${durationText(endMs - startMs)}`);
        }),
        ...outputs.map(({ text }) => element("pre", "", text)),
      );
    }));
}

update(JSON.parse(part("data").textContent));
