/** The schema that editors look at says what the parser reads: the same keys, and of the same flows that they are right. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Ajv } from "ajv";
import { listFiles } from "../../_tools/_list_files.ts";
import { parsePage } from "../../_tools/markdown.ts";
import { CONSTRAINT_NAMES } from "../../_internal/constraints.ts";
import { VERSION } from "../../_internal/version.ts";
import { ON_FAILURE, WHEN } from "../../cli/flow/flow.ts";
import { FLOW_KEYS, parseFlow } from "../../cli/flow/parse_flow.ts";
import { parseJsonc } from "../../cli/flow/parse_jsonc.ts";
import { NODE_KEYS, RETRY_KEYS } from "../../cli/flow/parse_node.ts";
import { OWN_VARIABLES } from "../../run/marks.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { eachChange, FULL_FLOW, mutatedFlow } from "./_mutated_flows.ts";

const REPOSITORY = await Deno.realPath(`${import.meta.dirname}/../..`);

interface Schema {
  $id?: string;
  $ref?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  enum?: unknown[];
  enumDescriptions?: string[];
  allOf?: Schema[];
  anyOf?: Schema[];
  not?: Schema;
  properties?: Record<string, Schema>;
  definitions?: Record<string, Schema>;
}

const schema: Schema = JSON.parse(await Deno.readTextFile(`${REPOSITORY}/docs/flow.schema.json`));
const definitions = schema.definitions!;

/** What editors know besides the words of JSON Schema. */
const WORDS = [
  "allowComments",
  "allowTrailingCommas",
  "defaultSnippets",
  "enumDescriptions",
  "errorMessage",
  "patternErrorMessage",
];
// Definitions say only what differs, which is all right, and what nobody knows is a slip.
const ajv = new Ajv({
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  keywords: WORDS,
});
const isValid = ajv.compile(schema);

/** What the parser says that is wrong with a flow; undefined when nothing is. */
function problemOf(flow: unknown, path = "f.flow.json"): string | undefined {
  try {
    parseFlow(typeof flow === "string" ? flow : JSON.stringify(flow), path);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** A flow file as other programs see it. */
function plain(json: ReturnType<typeof parseJsonc>): unknown {
  if (Array.isArray(json)) return json.map(plain);
  if (!(json instanceof Map)) return json;
  return Object.fromEntries(Array.from(json, ([name, value]) => [name, plain(value)]));
}

function parsed(text: string): unknown {
  return plain(parseJsonc(text, { comments: true }));
}

function assertRight(flow: unknown, text: string): void {
  assert(isValid(flow), `${text}\n${ajv.errorsText(isValid.errors)}`);
}

Deno.test("the schema of flow files is one by the schema of schemas, and published with this version", () => {
  assert(ajv.validateSchema(schema), ajv.errorsText());
  assertEquals(schema.$id, `https://jsr.io/@taffrail/taffrail/${VERSION}/docs/flow.schema.json`);
  assertEquals(schema.properties!.$schema!.examples, [schema.$id]);
});

Deno.test("the schema of flow files has the keys that the parser reads, and no others", () => {
  const keysOf = (schema: Schema) => Object.keys(schema.properties!).toSorted();
  const { node, retry, constraints, variable } = definitions;
  assertEquals(keysOf(schema), FLOW_KEYS.toSorted());
  assertEquals(keysOf(node!), NODE_KEYS.toSorted());
  assertEquals(keysOf(retry!), RETRY_KEYS.toSorted());
  assertEquals(keysOf(constraints!), CONSTRAINT_NAMES.toSorted());
  assertEquals(schema.properties!.on_failure!.enum, [...ON_FAILURE]);
  assertEquals(node!.properties!.when!.enum, [...WHEN]);
  assertEquals(variable!.not!.anyOf![1]!.enum, [...OWN_VARIABLES]);
});

/** The members of all objects that the schema knows, by their place. */
function members(): [place: string, schema: Schema][] {
  return [["", schema] as const, ...Object.entries(definitions)].flatMap(
    ([place, { properties = {} }]) => {
      return Object.entries(properties).map((
        [name, member],
      ): [string, Schema] => [`${place}.${name}`, member]);
    },
  );
}

Deno.test("of each member and word editors say what it is for", () => {
  for (const [place, member] of members()) {
    const target = definitions[member.$ref?.split("/").at(-1) ?? ""];
    assertMatch(member.description ?? target?.description ?? "", /\.$/, place);
    if (member.enum === undefined) continue;
    assertEquals(member.enumDescriptions?.length, member.enum.length, place);
  }
});

Deno.test("what editors put in as an example or a default is right", () => {
  const all = [...members(), ...Object.entries(definitions)];
  let count = 0;
  for (const [place, one] of all) {
    const given = [...one.examples ?? [], ...("default" in one ? [one.default] : [])];
    count += given.length;
    const { $id: _, ...whole } = schema;
    const isMember = new Ajv({ strict: false }).compile({ ...one, definitions: whole.definitions });
    for (const value of given) assert(isMember(value), `${place} ${JSON.stringify(value)}`);
  }
  assert(count > 40, `${count}`);
});

const x = { run: ["x"] };
const flow = (members: object) => ({ name: "f", nodes: { a: x }, ...members });
const node = (members: object) => flow({ nodes: { b: x, a: { ...x, ...members } } });
const nodes = (nodes: object) => flow({ nodes });

/** What only the parser sees: an example, and what it says. All else of the form is seen by both. */
const PARSERS_OWN: [what: string, flow: unknown, says: RegExp][] = [
  ["a need that is no node", node({ needs: ["gone"] }), /needs ".*", which is no node/],
  ["a cycle", nodes({ a: { ...x, needs: ["b"] }, b: { ...x, needs: ["a"] } }), /in a cycle/],
  ["ids that differ only in case", nodes({ a: x, A: x }), /differ only in case/],
  [
    "two needs whose outputs have one variable",
    nodes({ "a.b": x, "a-b": x, c: { ...x, needs: ["a.b", "a-b"] } }),
    /would find what both printed in TAFFRAIL_OUTPUT_A_B/,
  ],
  ["a time that is too long", flow({ deadline: "597h" }), /is too long: write at most 596h/],
  [
    "a time that is rounded to nothing",
    flow({ deadline: "0.4ms" }),
    /"0\.4ms", which leaves no time/,
  ],
  [
    "a longest delay below the first",
    node({ retry: { max: 1, delay: "2s", max_delay: "1s" } }),
    /shorter than its "delay"/,
  ],
  ["a long argument", node({ run: ["x", "y".repeat(2 ** 17)] }), /over 128KiB/],
  ["many arguments", node({ run: ["x", ...Array(30).fill("y".repeat(100_000))] }), /over 2MiB/],
  [
    "an env_file that is not there",
    flow({ env_file: "gone" }),
    /has the env_file .*, which does not exist/s,
  ],
  [
    "an env_file that is no file",
    flow({ env_file: "." }),
    /has the env_file .*, which is no file/s,
  ],
  ["a key twice", '{ "name": "f", "name": "g", "nodes": { "a": { "sh": "x" } } }', /second time/],
];

for (const [what, example, says] of PARSERS_OWN) {
  Deno.test(`the parser alone sees ${what}`, () => {
    const value = typeof example === "string" ? parsedLoosely(example) : example;
    assertRight(value, what);
    assertMatch(problemOf(example) ?? "", says);
  });
}

/** As most programs read JSON: the last of two members counts. */
function parsedLoosely(text: string): unknown {
  return JSON.parse(text);
}

/** Asserts that both say the same of flows, but for what only the parser sees, and that some of each kind are there. */
async function assertAgreement(flows: Iterable<unknown>): Promise<void> {
  await withTempDir(async (directory) => {
    await Deno.writeTextFile(`${directory}/.env`, "D=1\n");
    const path = `${directory}/f.flow.json`;
    assertEquals([problemOf(FULL_FLOW, path), isValid(FULL_FLOW)], [undefined, true]);
    const counts = { right: 0, wrong: 0, own: 0 };
    for (const flow of flows) {
      const problem = problemOf(flow, path);
      const isRight = isValid(flow);
      if (isRight === (problem === undefined)) counts[isRight ? "right" : "wrong"]++;
      else {
        const isOwn = isRight && PARSERS_OWN.some(([, , says]) => says.test(problem!));
        const told = `parser: ${problem ?? "right"}\nschema: ${ajv.errorsText(isValid.errors)}`;
        assert(isOwn, `${JSON.stringify(flow)}\n${told}`);
        counts.own++;
      }
    }
    const { right, wrong, own } = counts;
    assert(right > wrong / 50 && wrong > right && own > 0, JSON.stringify(counts));
  });
}

Deno.test("the schema and the parser say the same of 1,000 flows that are changed in their form", async () => {
  const random = new Random(seed());
  const length = longCount(1000, 100_000);
  await assertAgreement(Array.from({ length }, () => mutatedFlow(FULL_FLOW, random)));
});

Deno.test("the schema and the parser say the same of each wrong value in each place", async () => {
  await assertAgreement(eachChange(structuredClone(FULL_FLOW)));
});

const files = await listFiles(REPOSITORY);

const isObject = (value: unknown): value is Record<string, unknown> => {
  return typeof value === "object" && value !== null && !Array.isArray(value);
};

Deno.test("all flows of the repository are named so that editors know them, and right", async () => {
  let count = 0;
  for (const file of files) {
    if (!/\.jsonc?$/.test(file) || file.startsWith("tests/golden/")) continue;
    const text = await Deno.readTextFile(`${REPOSITORY}/${file}`);
    const value = parsed(text);
    const isFlow = isObject(value) && "nodes" in value;
    assertEquals(/\.flow\.jsonc?$/.test(file), isFlow, file);
    if (!isFlow) continue;
    assertRight(value, file);
    assertEquals(problemOf(text, `${REPOSITORY}/${file}`), undefined, file);
    count++;
  }
  assert(count >= 3, `${count}`);
});

Deno.test("the flows of the documentation, of help and of a module are right by the schema", async () => {
  const { runVerb } = await import("../../cli/verbs/run.ts");
  const [, help = ""] = /^A flow file.*:\n([^]*?)^ {2}\}$/m.exec(runVerb.help.notes!) ?? [];
  const texts = [`${help}}`];
  for (const file of files.filter((file) => file.endsWith(".md"))) {
    const document = await Deno.readTextFile(`${REPOSITORY}/${file}`);
    const named = document.match(/https:\S*\/flow\.schema\.json/g) ?? [];
    assertEquals(named, named.map(() => schema.$id), file);
    const blocks = parsePage(document).blocks.filter(({ language }) => /^jsonc?$/.test(language));
    texts.push(...blocks.map(({ text }) => text).filter((text) => /"nodes": \{\s*"/.test(text)));
  }
  assert(texts.length > 1);
  for (const text of texts) assertRight(parsed(text), text);
  const { default: flowOf } = await import("../../examples/flows/ci.ts");
  assertRight(JSON.parse(JSON.stringify(flowOf([]))), "ci.ts");
});

Deno.test("taffrail init writes a flow that is right, and names the schema of this version", async () => {
  await withTempDir(async (cwd) => {
    assertEquals((await taffrail(["init"], { cwd })).code, 0);
    const written = JSON.parse(await Deno.readTextFile(`${cwd}/taffrail.flow.json`));
    assertEquals(Object.keys(written)[0], "$schema");
    assertEquals(written.$schema, schema.$id);
    assertRight(written, "init");
  });
});
