import { assertEquals, assertRejects } from "@std/assert";
import { DEFAULT_CONSTRAINTS, type Flow } from "../../cli/flow/flow.ts";
import {
  flowDifference,
  flowOfRecord,
  type FlowRecord,
  readFlowRecord,
  writeFlowRecord,
} from "../../cli/flow/flow_record.ts";
import { nodeAttemptOf, nodeEventId, nodeOfEvent } from "../../cli/flow/node_event.ts";
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
  const changes: [Partial<Flow>, string | undefined][] = [
    [{}, undefined],
    [{ nodes: [b, a] }, undefined],
    [{ nodes: [{ ...a, env: { A: "other", B: "values" } }, b] }, undefined],
    [
      { path: "/else/flow.json", nodes: FLOW.nodes.map((n) => ({ ...n, cwd: "/else" })) },
      undefined,
    ],
    [{ name: "g" }, "its name is g instead of flow"],
    [{ nodes: [a] }, "node b is no longer in it"],
    [{ nodes: [a, b, { ...a, id: "c" }] }, "node c is new in it"],
    [{ nodes: [{ ...a, run: ["false"] }, b] }, 'node a has another "run"'],
    [{ nodes: [{ ...a, needs: ["b"] }, b] }, 'node a has another "needs"'],
    [{ nodes: [{ ...a, env: {} }, b] }, 'node a has another list of names in "env"'],
    [{ nodes: [{ ...a, cwd: "/else" }, b] }, 'node a has another "cwd"'],
    [{ nodes: [{ ...a, timeoutMs: 5 }, b] }, 'node a has another "timeout"'],
    [
      { constraints: { ...DEFAULT_CONSTRAINTS, max_in_flight: 2 } },
      "its constraint max_in_flight is another one",
    ],
  ];
  await withTempDir(async (directory) => {
    const recorded = await record(directory, FLOW);
    for (const [change, difference] of changes) {
      assertEquals(flowDifference(recorded, { ...FLOW, ...change }), difference);
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

Deno.test("the id of an event tells the node and the attempt at it", () => {
  assertEquals(nodeEventId({ nodeId: "a", attempt: 1 }), "a");
  assertEquals(nodeEventId({ nodeId: "a", attempt: 3 }), "a#3");
  assertEquals([nodeOfEvent("a"), nodeOfEvent("a#3")], ["a", "a"]);
  assertEquals(nodeAttemptOf("a", 2), { nodeId: "a", attempt: 2 });
  assertEquals(nodeAttemptOf("a#3", 2), { nodeId: "a", attempt: 4 });
});
