import { placeOf } from "./_runs.ts";
import { assertEquals, assertRejects } from "@std/assert";
import { DEFAULT_CONSTRAINTS, type Flow, makeFlow, makeNode } from "../../cli/flow/flow.ts";
import {
  flowOfRecord,
  type FlowRecord,
  readFlowRecord,
  writeFlowRecord,
} from "../../cli/flow/flow_record.ts";
import { flowChanges } from "../../cli/flow/flow_changes.ts";
import { flowProvenance } from "../../cli/flow/node_event.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";

const NODE = makeNode({ id: "a", run: ["true"], env: { B: "2", A: "1" }, cwd: "/work" });
const FLOW = makeFlow({
  path: "/work/flow.json",
  name: "flow",
  nodes: [NODE, { ...NODE, id: "b", needs: ["a"], timeoutMs: 5 }],
});
const RETRY = { maxRetries: 3, delayMs: 2000, factor: 2, maxDelayMs: 60_000, notOn: [2] };

async function record(directory: string, flow: Flow): Promise<FlowRecord> {
  await Deno.mkdir(`${directory}/runs/r`, { recursive: true });
  await writeFlowRecord({ root: directory, runId: "r" }, flow);
  return (await readFlowRecord(placeOf(directory, "r")))!;
}

Deno.test("the flow of a run is kept without the values of its variables", async () => {
  await withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/runs/r`, { recursive: true });
    assertEquals(await readFlowRecord(placeOf(directory, "r")), undefined);
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

Deno.test("a flow that says all that it can is kept whole, and its digest tells", async () => {
  const flow = makeFlow({
    ...FLOW,
    description: "all of it",
    onFailure: "keep_going",
    deadlineMs: 3_600_000,
    secrets: ["TOKEN"],
    nodes: [
      makeNode({
        ...{ id: "@a/b:c", run: ["true"], cwd: "/work", description: "the first", labels: ["gpu"] },
        ...{ task: "c", allowFailure: true, retry: RETRY },
      }),
      makeNode({ id: "ask", run: [], cwd: "/work", gate: "Deploy?", needs: ["@a/b:c"] }),
      makeNode({ id: "all", run: [], cwd: "/work", needs: ["ask"], when: "always" }),
    ],
  });
  await withTempDir(async (directory) => {
    const kept = await record(directory, flow);
    const { path: _, ...read } = flow;
    assertEquals(flowOfRecord(kept), read);
    const digests = new Set<string>();
    const variants: Partial<Flow>[] = [
      {},
      { onFailure: "stop" },
      { nodes: flow.nodes.toSpliced(0, 1, makeNode({ ...flow.nodes[0]!, labels: [] })) },
      { nodes: flow.nodes.toSpliced(0, 1, makeNode({ ...flow.nodes[0]!, allowFailure: false })) },
    ];
    for (const variant of variants) digests.add(await flowProvenance({ ...flow, ...variant }));
    assertEquals(digests.size, variants.length);
    const reworded = { ...flow, description: "other words", secrets: [] };
    assertEquals(await flowProvenance(reworded), kept.provenance);
  });
});

Deno.test("the digest of a flow that says nothing more is what it was", async () => {
  const digest = "rpv1:sha256:1a81c76c476978b9bafe9a7eb25adc2cfc0ecdb420504d0d1c4518712f333a26";
  assertEquals(await flowProvenance(FLOW), digest);
});

Deno.test("what differs between a flow and the recorded one is named", async () => {
  const [a, b] = FLOW.nodes as [typeof NODE, typeof NODE];
  const none = { changed: {}, gone: [], added: [], constraints: [], rules: [] };
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
    [{ nodes: [{ ...a, when: "always" }, b] }, { changed: { a: '"when"' } }],
    [{ nodes: [{ ...a, allowFailure: true }, b] }, { changed: { a: '"allow_failure"' } }],
    [{ nodes: [{ ...a, retry: RETRY }, b] }, { changed: { a: '"retry"' } }],
    [{ nodes: [{ ...a, labels: ["gpu"] }, b] }, { changed: { a: '"on"' } }],
    [{ nodes: [{ ...a, description: "other words" }, b], description: "more" }, {}],
    [{ onFailure: "cancel", deadlineMs: 5 }, { rules: ['"on_failure"', '"deadline"'] }],
    [
      { constraints: { ...DEFAULT_CONSTRAINTS, max_in_flight: 999 } },
      { constraints: ["max_in_flight"] },
    ],
  ];
  await withTempDir(async (directory) => {
    const recorded = await record(directory, FLOW);
    for (const [change, expected] of changes) {
      const { changed, values: _, areValuesUnknown: __, ...others } = flowChanges(recorded, {
        ...FLOW,
        ...change,
      });
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
      await assertRejects(
        () => readFlowRecord(placeOf(directory, "r")),
        Error,
        "it is no flow of a run",
      );
    }
    await Deno.writeTextFile(path, text.replace('"format": 1', '"format": 2'));
    await assertRejects(
      () => readFlowRecord(placeOf(directory, "r")),
      Error,
      "use a newer taffrail",
    );
  });
});
