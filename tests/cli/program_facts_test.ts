/** What the journal of a program says of it. */
import { assertEquals } from "@std/assert";
import { ProgramFacts } from "../../cli/reading/program_facts.ts";
import type { NoteRecord } from "../../capture/types.ts";

const at = { secs: 1, nanos: 0 };

Deno.test("nothing waits in a run that has completed, what had lost a race either", () => {
  const facts = new ProgramFacts({});
  const lines: NoteRecord[] = [
    { type: "wait", id: "approved", kind: "gate", at },
    { type: "wait", id: "rest", kind: "sleep", at, until: at },
  ];
  for (const line of lines) facts.takeLine(line);
  facts.takeLine({ type: "ended", at, state: "Aborted", reason: "cancelled" });
  assertEquals(facts.waits.map(({ id }) => id), ["approved", "rest"]);
  facts.takeLine({ type: "ended", at, state: "Completed" });
  assertEquals(facts.waits, []);
});
