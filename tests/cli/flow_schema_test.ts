/** The schema that editors look at says what the parser reads: the same keys, and of the same flows that they are right. */
import { assertEquals } from "@std/assert";
import { CONSTRAINT_NAMES } from "../../_internal/constraints.ts";
import { ON_FAILURE, WHEN } from "../../cli/flow/flow.ts";
import { FLOW_KEYS, parseFlow } from "../../cli/flow/parse_flow.ts";
import { parseJsonc } from "../../cli/flow/parse_jsonc.ts";
import { NODE_KEYS, RETRY_KEYS } from "../../cli/flow/parse_node.ts";

const REPOSITORY = `${import.meta.dirname}/../..`;

interface Schema {
  $ref?: string;
  type?: string;
  enum?: unknown[];
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  minProperties?: number;
  uniqueItems?: boolean;
  items?: Schema;
  properties?: Record<string, Schema>;
  propertyNames?: Schema;
  additionalProperties?: Schema | false;
  required?: string[];
  dependencies?: Record<string, string[]>;
  allOf?: Schema[];
  anyOf?: Schema[];
  not?: Schema;
  definitions?: Record<string, Schema>;
}

/** What else a schema may have: it says nothing about what is right. */
const WORDS = ["$schema", "title", "description", "default", "definitions"];

const schema: Schema = JSON.parse(await Deno.readTextFile(`${REPOSITORY}/docs/flow.schema.json`));

const isObject = (value: unknown): value is Record<string, unknown> => {
  return typeof value === "object" && value !== null && !Array.isArray(value);
};

const TYPES: Record<string, (value: unknown) => boolean> = {
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  array: (value) => Array.isArray(value),
  object: isObject,
};

/** What each keyword of a schema asks for, as far as this schema has them. */
const KEYWORDS: Record<string, (schema: Schema, value: unknown) => boolean> = {
  $ref: ({ $ref }, value) => isValid(schema.definitions![$ref!.split("/").at(-1)!]!, value),
  type: ({ type }, value) => TYPES[type!]!(value),
  enum: (schema, value) => schema.enum!.includes(value),
  pattern: ({ pattern }, value) => typeof value !== "string" || new RegExp(pattern!).test(value),
  minLength: ({ minLength }, value) => typeof value !== "string" || value.length >= minLength!,
  maxLength: ({ maxLength }, value) => typeof value !== "string" || value.length <= maxLength!,
  minimum: ({ minimum }, value) => typeof value !== "number" || value >= minimum!,
  maximum: ({ maximum }, value) => typeof value !== "number" || value <= maximum!,
  minItems: ({ minItems }, value) => !Array.isArray(value) || value.length >= minItems!,
  minProperties: ({ minProperties }, value) =>
    !isObject(value) || Object.keys(value).length >= minProperties!,
  uniqueItems: (_, value) => !Array.isArray(value) || new Set(value).size === value.length,
  items: ({ items }, value) =>
    !Array.isArray(value) || value.every((item) => isValid(items!, item)),
  properties: ({ properties }, value) =>
    !isObject(value) ||
    Object.entries(properties!).every(([name, schema]) => {
      return !Object.hasOwn(value, name) || isValid(schema, value[name]);
    }),
  propertyNames: ({ propertyNames }, value) =>
    !isObject(value) || Object.keys(value).every((name) => isValid(propertyNames!, name)),
  additionalProperties: ({ additionalProperties: others, properties = {} }, value) =>
    !isObject(value) ||
    Object.entries(value).filter(([name]) => !Object.hasOwn(properties, name))
      .every(([, member]) => others !== false && isValid(others!, member)),
  required: ({ required }, value) =>
    !isObject(value) || required!.every((name) => Object.hasOwn(value, name)),
  dependencies: ({ dependencies }, value) =>
    !isObject(value) ||
    Object.entries(dependencies!).every(([name, needed]) => {
      return !Object.hasOwn(value, name) || needed.every((other) => Object.hasOwn(value, other));
    }),
  allOf: ({ allOf }, value) => allOf!.every((schema) => isValid(schema, value)),
  anyOf: ({ anyOf }, value) => anyOf!.some((schema) => isValid(schema, value)),
  not: ({ not }, value) => !isValid(not!, value),
};

function isValid(schema: Schema, value: unknown): boolean {
  return Object.keys(schema).filter((key) => !WORDS.includes(key))
    .every((key) => KEYWORDS[key]!(schema, value));
}

/** A flow file as other programs see it. */
function plain(json: ReturnType<typeof parseJsonc>): unknown {
  if (Array.isArray(json)) return json.map(plain);
  if (!(json instanceof Map)) return json;
  return Object.fromEntries(Array.from(json, ([name, value]) => [name, plain(value)]));
}

Deno.test("the schema of flow files has the keys that the parser reads, and no others", () => {
  const keysOf = (schema: Schema) => Object.keys(schema.properties!).toSorted();
  const { node, retry, constraints } = schema.definitions!;
  assertEquals(keysOf(schema), FLOW_KEYS.toSorted());
  assertEquals(keysOf(node!), NODE_KEYS.toSorted());
  assertEquals(keysOf(retry!), RETRY_KEYS.toSorted());
  assertEquals(keysOf(constraints!), CONSTRAINT_NAMES.toSorted());
  assertEquals(schema.properties!.on_failure!.enum, [...ON_FAILURE]);
  assertEquals(node!.properties!.when!.enum, [...WHEN]);
});

const x = { run: ["x"] };
const flow = (members: object) => ({ name: "f", nodes: { a: x }, ...members });
const node = (members: object) => flow({ nodes: { b: x, a: { ...x, ...members } } });

const RIGHT: object[] = [
  flow({}),
  flow({ $schema: "x", description: "x", env: { A: "" }, secret: ["A"], shell: ["bash", "-c"] }),
  flow({ on_failure: "cancel", deadline: "1.5h", constraints: { max_in_flight: 2 } }),
  flow({ constraints: { max_per_window: 2, rate_window: "1s", max_retries: 0, deadline: "1d" } }),
  flow({ nodes: { "@a/b:c.d-e": { sh: "x" }, all: x } }),
  node({ needs: ["b"], description: "x", timeout: "5ms", when: "failure", on: ["gpu"], cwd: ".." }),
  node({ retry: { max: 1, delay: "0s", factor: 3, max_delay: "1m", not_on: [1, 255] } }),
  node({ allow_failure: true, env: { A: "x" } }),
];

const WRONG: object[] = [
  {},
  { name: "f" },
  flow({ name: "a/b" }),
  flow({ name: "-a" }),
  flow({ name: "x".repeat(94) }),
  flow({ more: 1 }),
  flow({ nodes: {} }),
  flow({ nodes: { "a b": x } }),
  flow({ nodes: { ":a": x } }),
  flow({ nodes: { ["x".repeat(65)]: x } }),
  flow({ nodes: { a: {} } }),
  flow({ env: { A: 1 } }),
  flow({ env: { "": "x" } }),
  flow({ shell: [] }),
  flow({ on_failure: "go" }),
  flow({ deadline: "1w" }),
  flow({ deadline: 5 }),
  flow({ constraints: { max_in_flight: 0 } }),
  flow({ constraints: { rate_window: "1s" } }),
  flow({ constraints: { retries: 1 } }),
  node({ sh: "x" }),
  node({ task: "x" }),
  node({ run: "x" }),
  node({ run: [] }),
  node({ needs: ["b", "b"] }),
  node({ when: "never" }),
  node({ allow_failure: 1 }),
  node({ retry: {} }),
  node({ retry: { max: -1 } }),
  node({ retry: { max: 1, factor: 0 } }),
  node({ retry: { max: 1, factor: 1.5 } }),
  node({ retry: { max: 1, not_on: [0] } }),
  node({ cwd: "" }),
  node({ on: ["a", "a"] }),
];

function isRead(flow: object): boolean {
  try {
    parseFlow(JSON.stringify(flow), "f.json");
    return true;
  } catch {
    return false;
  }
}

Deno.test("the schema of flow files takes what the parser takes", () => {
  for (const flow of RIGHT) {
    assertEquals([isValid(schema, flow), isRead(flow)], [true, true], JSON.stringify(flow));
  }
});

Deno.test("the schema of flow files refuses what the parser refuses", () => {
  for (const flow of WRONG) {
    assertEquals([isValid(schema, flow), isRead(flow)], [false, false], JSON.stringify(flow));
  }
});

Deno.test("the flows of the examples and of the documentation are right by the schema", async () => {
  const texts = [await Deno.readTextFile(`${REPOSITORY}/examples/ci.flow.json`)];
  const { runVerb } = await import("../../cli/verbs/run.ts");
  const [, help = ""] = /^A flow file.*:\n([^]*?)^ {2}\}$/m.exec(runVerb.help.notes!) ?? [];
  texts.push(`${help}}`);
  for (const text of texts) {
    assertEquals(isValid(schema, plain(parseJsonc(text, { comments: true }))), true, text);
  }
});
