import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../cli/exit_codes.ts";
import { type FlowNode, makeNode } from "../../cli/flow/flow.ts";
import { parseFlow } from "../../cli/flow/parse_flow.ts";
import { checkNeeds, ReadyNodes } from "../../cli/flow/ready_nodes.ts";
import { Random } from "../_util/random.ts";
import { withTempDir } from "../_util/temp.ts";
import { taskFlowOf } from "./_tasks.ts";

/** So many that whoever looks at all nodes for each of them would not come to an end. */
const MANY = 100_000;

function node(id: string, needs: string[] = []): FlowNode {
  return makeNode({ id, run: ["true"], needs, cwd: "/" });
}

/** A chain, written in the order that is the worst for whoever looks for the next one from the top. */
function chainWrittenLastFirst(count: number): FlowNode[] {
  return Array.from({ length: count }, (_, index) => {
    const number = count - index;
    return node(`n${number}`, number === 1 ? [] : [`n${number - 1}`]);
  });
}

/** Takes the nodes one after the other, each completing at once. */
function orderOf(nodes: FlowNode[]): string[] {
  const ready = new ReadyNodes(nodes);
  const order: string[] = [];
  for (let next = ready.take(); next !== undefined; next = ready.take()) {
    order.push(next.id);
    ready.settle(next.id);
  }
  return order;
}

Deno.test("ReadyNodes names the first node of the file that has all it needs", () => {
  const { nodes } = parseFlow(
    '{"name":"x","nodes":{"c":{"run":["x"],"needs":["a","b"]},"b":{"run":["x"]},"a":{"run":["x"]}}}',
    "x.json",
  );
  assertEquals(orderOf(nodes), ["b", "a", "c"]);
  const ready = new ReadyNodes(nodes);
  assertEquals([ready.take()?.id, ready.take()?.id], ["b", "a"]);
  ready.settle("a");
  assertEquals(ready.take(), undefined);
});

Deno.test("ReadyNodes hands out again what was put back, and never what somebody else has started", () => {
  const nodes = [node("a"), node("b"), node("c", ["a"])];
  const ready = new ReadyNodes(nodes);
  ready.start("a");
  assertEquals(ready.take()?.id, "b");
  ready.putBack("a");
  ready.putBack("a");
  assertEquals([ready.take()?.id, ready.take()?.id], ["a", undefined]);
  ready.settle("a");
  ready.settle("a");
  assertEquals([ready.take()?.id, ready.take()?.id], ["c", undefined]);
});

Deno.test("ReadyNodes decides as a look at all nodes would, whatever completes when", () => {
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const ids = Array.from({ length: 1 + random.below(12) }, (_, index) => `n${index}`);
    // Who needs whom is drawn in one order, and the file has another.
    const nodes = ids
      .map((id, index) => node(id, ids.slice(0, index).filter(() => random.chance(0.3))))
      .map((node) => ({ node, key: random.below(1000) }))
      .sort((a, b) => a.key - b.key).map(({ node }) => node);
    const ready = new ReadyNodes(nodes);
    const started = new Set<string>();
    const completed = new Set<string>();
    while (completed.size < nodes.length) {
      const expected = nodes.find(({ id, needs }) =>
        !started.has(id) && needs.every((need) => completed.has(need))
      );
      assertEquals(ready.take()?.id, expected?.id, `seed ${seed}`);
      if (expected !== undefined) started.add(expected.id);
      const running = [...started].filter((id) => !completed.has(id));
      if (running.length === 0 || (expected !== undefined && random.chance(0.5))) continue;
      const ended = random.pick(running);
      if (random.chance(0.2)) {
        started.delete(ended);
        ready.putBack(ended);
      } else {
        completed.add(ended);
        ready.settle(ended);
      }
    }
  }
});

Deno.test("a chain of 100,000 nodes, written last first, is put in order", () => {
  const order = orderOf(chainWrittenLastFirst(MANY));
  assertEquals([order.length, order[0], order.at(-1)], [MANY, "n1", `n${MANY}`]);
});

Deno.test("a cycle of 100,000 nodes is found", () => {
  const nodes = chainWrittenLastFirst(MANY);
  nodes.at(-1)!.needs.push(`n${MANY}`);
  const fail = (problem: string): never => {
    throw new UsageError(problem);
  };
  const { message } = assertThrows(() => checkNeeds(nodes, fail), UsageError);
  assertEquals(
    message.slice(0, 65),
    'its nodes need each other in a cycle: "n100000" needs "n99999", "',
  );
});

Deno.test("a flow file with a chain of 100,000 nodes, written last first, is read", () => {
  const nodes = chainWrittenLastFirst(MANY).map(({ id, needs }) => [id, { run: ["true"], needs }]);
  const text = JSON.stringify({ name: "deep", nodes: Object.fromEntries(nodes) });
  assertEquals(parseFlow(text, "deep.json").nodes.length, MANY);
});

Deno.test("a chain of 20,000 tasks becomes a flow", async () => {
  await withTempDir(async (cwd) => {
    const count = 20_000;
    const tasks = Array.from({ length: count }, (_, index) => [
      `t${index}`,
      { command: "true", dependencies: index === 0 ? [] : [`t${index - 1}`] },
    ]);
    const text = JSON.stringify({ tasks: Object.fromEntries(tasks) });
    await Deno.writeTextFile(`${cwd}/deno.json`, text);
    const { nodes } = taskFlowOf([`t${count - 1}`], cwd);
    assertEquals([nodes.length, nodes[0]?.id, nodes.at(-1)?.needs], [
      count,
      "t0",
      [`t${count - 2}`],
    ]);
  });
});
