import { assertEquals, assertRejects } from "@std/assert";
import { DEFAULT_CONSTRAINTS, type Flow } from "../../cli/flow/flow.ts";
import {
  flowChanges,
  flowOfRecord,
  type FlowRecord,
  readFlowRecord,
  writeFlowRecord,
} from "../../cli/flow/flow_record.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const NODE = { id: "a", run: ["true"], needs: [], env: { B: "2", A: "1" }, cwd: "/work" };
const FLOW: Flow = {
  path: "/work/flow.json",
  name: "flow",
  nodes: [NODE, { ...NODE, id: "b", needs: ["a"], timeoutMs: 5 }],
  constraints: DEFAULT_CONSTRAINTS,
};

async function record(directory: string, flow: Flow): Promise<FlowRecord> {
  await Deno.mkdir(`${directory}/runs/r`, { recursive: true });
  await writeFlowRecord({ root: directory, runId: "r" }, flow);
  return (await readFlowRecord(directory, "r"))!;
}

Deno.test("the flow of a run is kept without the values of its variables", async () => {
  await withTempDir(async (directory) => {
    assertEquals(await readFlowRecord(directory, "r"), undefined);
    const { nodes, ...kept } = await record(directory, FLOW);
    assertEquals(kept.path, "/work/flow.json");
    assertEquals(nodes[1], {
      id: "b",
      run: ["true"],
      needs: ["a"],
      env: ["A", "B"],
      cwd: "/work",
      timeout_ms: 5,
    });
    assertEquals(namesIn(`${directory}/runs/r`), ["flow.json"]);
    const bare = FLOW.nodes.map((node) => ({ ...node, env: {} }));
    assertEquals(flowOfRecord({ ...kept, nodes }).nodes, bare);
  });
});

Deno.test("what differs between a flow and the recorded one is named", async () => {
  const [a, b] = FLOW.nodes as [typeof NODE, typeof NODE];
  const none = { changed: {}, gone: [], added: [], constraints: [] };
  const moved = FLOW.nodes.map((node) => ({ ...node, cwd: "/else" }));
  const changes: [Partial<Flow>, object][] = [
    [{}, {}],
    [{ nodes: [b, a] }, {}],
    [{ nodes: [{ ...a, env: { A: "other", B: "values" } }, b] }, {}],
    [{ path: "/else/flow.json", nodes: moved }, {}],
    [{ name: "g" }, {}],
    [{ nodes: [a] }, { gone: ["b"] }],
    [{ nodes: [a, b, { ...a, id: "c" }] }, { added: ["c"] }],
    [{ nodes: [{ ...a, run: ["false"] }, b] }, { changed: { a: '"run"' } }],
    [{ nodes: [{ ...a, needs: ["b"] }, b] }, { changed: { a: '"needs"' } }],
    [{ nodes: [{ ...a, env: {} }, b] }, { changed: { a: 'list of names in "env"' } }],
    [{ nodes: [{ ...a, cwd: "/else" }, b] }, { changed: { a: '"cwd"' } }],
    [{ nodes: [{ ...a, timeoutMs: 5 }, b] }, { changed: { a: '"timeout"' } }],
    [
      { constraints: { ...DEFAULT_CONSTRAINTS, max_in_flight: 2 } },
      { constraints: ["max_in_flight"] },
    ],
  ];
  await withTempDir(async (directory) => {
    const recorded = await record(directory, FLOW);
    for (const [change, expected] of changes) {
      const { changed, ...others } = flowChanges(recorded, { ...FLOW, ...change });
      assertEquals({ changed: Object.fromEntries(changed), ...others }, { ...none, ...expected });
    }
  });
});

Deno.test("a flow of another format, and what is none, is refused", async () => {
  await withTempDir(async (directory) => {
    await record(directory, FLOW);
    const path = `${directory}/runs/r/flow.json`;
    const text = await Deno.readTextFile(path);
    for (const wrong of ["", "{}", text.slice(0, 50)]) {
      await Deno.writeTextFile(path, wrong);
      await assertRejects(() => readFlowRecord(directory, "r"), Error, "it is no flow of a run");
    }
    await Deno.writeTextFile(path, text.replace('"format": 1', '"format": 2'));
    await assertRejects(() => readFlowRecord(directory, "r"), Error, "use a newer taffrail");
  });
});
