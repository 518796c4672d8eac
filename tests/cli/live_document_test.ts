import { assert, assertEquals } from "@std/assert";
import { LiveDocument } from "../../cli/report/serve/live_document.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";

const SHAPE = { list: "nodes", readAt: "readMs" };

/** What somebody has who takes changes, as the page does. */
class Copy {
  data: Record<string, unknown> = { nodes: [] };
  version = 0;

  take(document: LiveDocument): void {
    const { readAt, members, count, items } = JSON.parse(document.since(this.version));
    for (const [name, value] of Object.entries(members)) {
      if (value === null) delete this.data[name];
      else this.data[name] = value;
    }
    const nodes = (this.data["nodes"] as unknown[]).slice(0, count);
    for (const [place, item] of items) nodes[place] = item;
    this.data = { ...this.data, nodes, readMs: readAt };
    this.version = document.version;
  }
}

Deno.test("LiveDocument tells only what has changed", () => {
  const document = new LiveDocument(SHAPE);
  const data = {
    readMs: 1,
    run: { outcome: "running" },
    left: 0,
    nodes: [{ id: "a" }, { id: "b" }],
  };
  assertEquals(document.take(data), true);
  assertEquals(JSON.parse(document.since(0)), {
    readAt: 1,
    members: { run: { outcome: "running" }, left: 0 },
    count: 2,
    items: [[0, { id: "a" }], [1, { id: "b" }]],
  });
  assertEquals(document.take({ ...data, readMs: 2 }), false);
  assertEquals(document.version, 1);
  const nodes = [{ id: "a" }, { id: "b", state: "completed" }];
  assertEquals(document.take({ ...data, readMs: 3, nodes }), true);
  const expected = { readAt: 3, members: {}, count: 2, items: [[1, nodes[1]]] };
  assertEquals(JSON.parse(document.since(1)), expected);
  assertEquals(document.take({ readMs: 4, run: data.run, nodes: nodes.slice(0, 1) }), true);
  assertEquals(JSON.parse(document.since(2)), {
    readAt: 4,
    members: { left: null },
    count: 1,
    items: [],
  });
});

Deno.test("LiveDocument gives everybody the same, from wherever they are", () => {
  const random = new Random(seed());
  for (let round = 0; round < longCount(50, 1000); round++) {
    const document = new LiveDocument(SHAPE);
    const copies: Copy[] = [];
    let data: Record<string, unknown> & { nodes: unknown[] } = { readMs: 0, nodes: [] };
    for (let step = 1; step <= 20; step++) {
      const nodes = [...data.nodes];
      if (random.chance(0.5)) nodes.push({ id: step });
      if (random.chance(0.1)) nodes.pop();
      if (nodes.length > 0) nodes[random.below(nodes.length)] = { id: random.below(5), why: "<\n" };
      data = { ...data, nodes, readMs: step };
      if (random.chance(0.3)) data[`member ${random.below(3)}`] = random.below(2);
      if (random.chance(0.1)) delete data[`member ${random.below(3)}`];
      document.take(data);
      if (random.chance(0.3)) copies.push(new Copy());
      for (const copy of copies) if (random.chance(0.4)) copy.take(document);
    }
    for (const copy of copies) {
      copy.take(document);
      assertEquals(copy.data, data);
      assert(JSON.parse(document.since(copy.version)).items.length === 0);
    }
  }
});
