/** Flows that are changed at random in their form: what people get wrong when they write one. */
import type { Random } from "../_util/random.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
type Holder = { [name: string]: Json } | Json[];

/** A flow that says all that one can say. */
export const FULL_FLOW: Json = {
  $schema: "flow.schema.json",
  name: "full",
  description: "all that there is",
  env: { A: "1", B: "" },
  env_file: ".env",
  secret: ["A"],
  shell: ["bash", "-c"],
  on_failure: "keep_going",
  deadline: "2h",
  constraints: {
    max_in_flight: 3,
    max_per_window: 2,
    rate_window: "1s",
    deadline: "10m",
    max_retries: 1,
  },
  nodes: {
    "@a/b:c": { run: ["x", ""], description: "x", timeout: "5ms", env: { C: "x" }, cwd: ".." },
    text: { sh: "x", needs: ["@a/b:c"], when: "failure", allow_failure: true, on: ["gpu", ""] },
    task: {
      task: "build",
      needs: ["text"],
      when: "always",
      retry: { max: 2, delay: "0s", factor: 3, max_delay: "1m", not_on: [1, 255] },
    },
    ask: { gate: "Go?", timeout: "1.5d" },
    all: { needs: ["task", "ask"], description: "stands for two" },
  },
};

/** Values that may be wrong where they come, each in its own way. */
const VALUES: readonly Json[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2.5,
  255,
  256,
  1001,
  9007199254740992,
  1e300,
  "",
  "x",
  "a b",
  "a/b",
  "-a",
  "a-",
  ".",
  ":a",
  "con",
  "NUL.x",
  "lpt1",
  "café",
  "\u0000",
  "a\u0000",
  "a\n",
  "x".repeat(64),
  "x".repeat(65),
  "x".repeat(94),
  "0s",
  "00.0ms",
  "5",
  "5s",
  "5 s",
  "5.s",
  ".5s",
  "-5s",
  "1w",
  "1H",
  "0.5s",
  "5s\n",
  "stop",
  "cancel",
  "success",
  "failure",
  "always",
  "never",
  "text",
  "ask",
  "A=B",
  "TAFFRAIL_ROOT",
  "TAFFRAIL_OUTPUT_X",
  "TAFFRAIL_OTHER",
  [],
  [""],
  ["x"],
  ["x", "x"],
  ["", "x"],
  ["x", 1],
  ["x", null],
  [[]],
  [1],
  [0],
  [1.5],
  ["text"],
  ["\u0000"],
  {},
  { x: "x" },
  { x: 1 },
  { "": "x" },
  { "A=B": "x" },
  { TAFFRAIL_ROOT: "x" },
  { run: ["x"] },
  { sh: "x", task: "x" },
  { gate: "?" },
  { needs: ["text"] },
  { max: 1 },
  { max: 1, more: 1 },
  { max_in_flight: 1 },
  { rate_window: "1s" },
];

/** Names that a member may have, known here or elsewhere. */
const NAMES: readonly string[] = [
  ..."$schema name description env env_file secret shell on_failure deadline constraints".split(
    " ",
  ),
  ..."nodes run sh task gate needs timeout retry when allow_failure cwd on".split(" "),
  ..."max delay factor max_delay not_on".split(" "),
  ..."max_in_flight max_per_window rate_window max_retries".split(" "),
  ..."Name commands cmd if a -a aux A=B TAFFRAIL_NODE_ID constructor".split(" "),
  "",
  "a b",
  "a/b",
  ":a",
  "@a",
  "x".repeat(64),
  "x".repeat(65),
];

/** Values that are right for some member. */
const MEMBERS: readonly Json[] = [
  "x",
  "5s",
  "always",
  true,
  1,
  ["x"],
  { x: "x" },
  { max: 1 },
  { run: ["x"] },
];

/** Changes a copy of a flow in one to three places. */
export function mutatedFlow(flow: Json, random: Random): Json {
  // The flow as a whole is a place, too.
  const holder = { flow: structuredClone(flow) };
  for (let count = 1 + random.below(3); count > 0; count--) {
    mutate(random.pick(holdersIn(holder)), random);
  }
  return holder.flow;
}

/** A flow with each of these values in each place, without each of its members, and with each name added. */
export function* eachChange(flow: Json): Generator<Json, void> {
  const holder = { flow };
  const places = holdersIn(holder).flatMap((one) =>
    Object.keys(one).map((key) => [one, key] as const)
  );
  for (const [place, key] of places) {
    const before = Reflect.get(place, key);
    for (const value of VALUES) {
      Reflect.set(place, key, value);
      yield holder.flow;
    }
    Reflect.set(place, key, before);
  }
  for (const place of holdersIn(flow)) {
    if (Array.isArray(place)) continue;
    for (const name of NAMES) {
      const before = Object.getOwnPropertyDescriptor(place, name);
      delete place[name];
      if (before !== undefined) yield holder.flow;
      else {
        for (const value of MEMBERS) {
          place[name] = value;
          yield holder.flow;
        }
      }
      delete place[name];
      if (before !== undefined) Object.defineProperty(place, name, before);
    }
  }
}

/** All objects and lists that hold something, the outermost included. */
function holdersIn(value: Json): Holder[] {
  if (typeof value !== "object" || value === null) return [];
  return [value, ...Object.values(value).flatMap(holdersIn)];
}

function mutate(holder: Holder, random: Random): void {
  const keys = Object.keys(holder);
  const key = keys.length === 0 ? undefined : random.pick(keys);
  const set = (name: string, value: Json) => {
    if (Array.isArray(holder)) holder[Number(name)] = value;
    else holder[name] = value;
  };
  if (key === undefined || random.chance(0.15)) {
    if (Array.isArray(holder)) {
      holder.push(keys.length > 0 && random.chance(0.5) ? holder[0]! : valueFor(random));
    } else if (!("flow" in holder)) holder[random.pick(NAMES)] = valueFor(random);
    return;
  }
  const value = Reflect.get(holder, key) as Json;
  switch (random.below(5)) {
    case 0:
      if ("flow" in holder) break;
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
      break;
    case 1:
      set(key, random.chance(0.5) ? [value] : { [random.pick(NAMES)]: value });
      break;
    case 2:
      if (typeof value === "string") {
        set(key, random.chance(0.5) ? value.toUpperCase() : `${value} `);
      } else if (typeof value === "number") {
        set(key, random.pick([-value, value + 0.5, String(value)]));
      } else set(key, valueFor(random));
      break;
    default:
      set(key, valueFor(random));
  }
}

function valueFor(random: Random): Json {
  return structuredClone(random.pick(VALUES));
}
