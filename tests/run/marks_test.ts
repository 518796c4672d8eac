import { assertEquals } from "@std/assert";
import { entryOf, type Mark, marksIn, ownVariables } from "../../run/marks.ts";

const OUTER: Mark = { root: "/r", runId: "outer-1", nodeId: "a", attempt: 1 };
const INNER: Mark = { root: "/r/in", runId: "inner-1", nodeId: "b", attempt: 12 };

/** What a process finds that bears these entries. */
function environment(within: string): string[] {
  return ["PATH=/bin", `TAFFRAIL_WITHIN=${within}`, "X_TAFFRAIL_WITHIN=/r|x|y|1\n"];
}

Deno.test("a command bears the mark of every run that it is a part of", () => {
  const outer = ownVariables(OUTER, "");
  assertEquals(outer, {
    TAFFRAIL_RUN_ID: "outer-1",
    TAFFRAIL_NODE_ID: "a",
    TAFFRAIL_ATTEMPT: "1",
    TAFFRAIL_ROOT: "/r",
    TAFFRAIL_WITHIN: "/r|outer-1|a|1\n",
  });
  const inner = ownVariables(INNER, outer.TAFFRAIL_WITHIN);
  assertEquals(inner.TAFFRAIL_WITHIN, "/r|outer-1|a|1\n/r/in|inner-1|b|12\n");
  assertEquals(marksIn(environment(inner.TAFFRAIL_WITHIN)), [OUTER, INNER]);
});

Deno.test("no name can forge an entry, and every name comes back", () => {
  const names = [
    "a|b",
    "a\nb",
    "50%",
    "%7C",
    "%",
    "%0",
    "",
    "\n",
    "é|\u{1f600}",
    "a=b",
    "%25",
    "\r",
  ];
  for (const root of names) {
    for (const nodeId of names) {
      const mark = { root, runId: root, nodeId, attempt: 3 };
      const entry = entryOf(mark);
      assertEquals(entry.indexOf("\n"), entry.length - 1);
      assertEquals(marksIn(environment(entry + entryOf(INNER))), [mark, INNER]);
    }
  }
});

Deno.test("what is no entry is none, and does not hide those beside it", () => {
  const strange = ["/r|x|y", "/r|x|y|0", "/r|x|y|-1", "/r|x|y|1e3", "/r|x|y|1|2", "", "|||", "x"];
  for (const line of strange) {
    const within = `${entryOf(OUTER)}${line}\n${entryOf(INNER)}`;
    assertEquals(marksIn(environment(within)), [OUTER, INNER], line);
  }
  // Nobody of us writes an entry without its end.
  assertEquals(marksIn(environment(`${entryOf(OUTER)}/r|x|y|1`)), [OUTER]);
  assertEquals([marksIn([]), marksIn(environment("")), marksIn(["TAFFRAIL_WITHIN"])], [[], [], []]);
});
