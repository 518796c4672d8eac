import {
  CONSTRAINT_NAMES,
  type ConstraintName,
  CONSTRAINTS,
  incompletePair,
  mapConstraints,
} from "../../_internal/constraints.ts";
import { dirname } from "../../_internal/path.ts";
import { decodeUtf8, encodeUtf8, joinBytes, reasonOf } from "../../_internal/text.ts";
import type { Constraints, Duration } from "../../supervisor/types.ts";
import { UsageError } from "../exit_codes.ts";
import { resolve } from "../files.ts";
import { quoted } from "../text/printable.ts";
import { formatSize, parseDuration } from "../text/units.ts";
import {
  DEFAULT_CONSTRAINTS,
  type Flow,
  flowNameProblem,
  type FlowNode,
  nameProblem,
} from "./flow.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";
import { checkNeeds } from "./ready_nodes.ts";
import { taskCommand } from "./tasks.ts";

const FLOW_KEYS = ["name", "nodes", "constraints"];
const NODE_KEYS = ["run", "task", "needs", "timeout", "env", "cwd"];
const MOST_FLOW_BYTES = 64 * 1024 * 1024;
/** What Linux takes as one argument or variable of a program. */
const MOST_ARGUMENT_BYTES = 128 * 1024 - 1;
const MOST_ARGUMENTS_BYTES = 2 * 1024 * 1024;

/** Variables that every node gets, and no flow may set. */
const OWN_VARIABLES = [
  "TAFFRAIL_RUN_ID",
  "TAFFRAIL_NODE_ID",
  "TAFFRAIL_ATTEMPT",
  "TAFFRAIL_ROOT",
  "TAFFRAIL_WITHIN",
  "TAFFRAIL_GRACE_MS",
] as const;

/** The name of one of them. */
export type OwnVariable = (typeof OWN_VARIABLES)[number];

/**
 * Reads a flow and checks all that can be checked without looking further than the text.
 *
 * @throws {UsageError} Its message names the file, the node and what to do.
 */
export function parseFlow(text: string, path: string): Flow {
  const fail = (problem: string): never => {
    throw new UsageError(`Cannot run ${path}: ${problem}`);
  };
  const flow = parseText(text, fail);
  if (!(flow instanceof Map)) return fail('it is no JSON object: write { "name": …, "nodes": … }');
  checkKeys(flow, FLOW_KEYS, (problem) => fail(`it ${problem}`));
  const name = flow.get("name");
  if (name === undefined) fail('it has no "name": add one, such as "ci"');
  const problem = flowNameProblem(name);
  if (problem !== undefined) fail(`name ${quoted(name)} ${problem}`);
  const entries = flow.get("nodes");
  if (entries === undefined) fail('it has no "nodes": add at least one');
  if (!(entries instanceof Map)) return fail('"nodes" must be an object of nodes by their id');
  if (entries.size === 0) fail('"nodes" is empty: add at least one node');
  const directory = dirname(resolve(path));
  const nodes = [...entries].map(([id, value]) => {
    return new NodeParser(id, (problem) => fail(`node ${quoted(id)} ${problem}`))
      .parse(value, directory);
  });
  checkDistinct(nodes, fail);
  checkNeeds(nodes, fail);
  const constraints = parseConstraints(flow.get("constraints"), fail);
  return { path, name: name as string, nodes, constraints };
}

function parseText(text: string, fail: (problem: string) => never): Json {
  try {
    return parseJsonc(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return fail(error.message);
  }
}

function checkKeys(
  object: Map<string, Json>,
  known: string[],
  fail: (problem: string) => never,
): void {
  for (const key of object.keys()) {
    if (known.includes(key)) continue;
    fail(`has the unknown key ${quoted(key)}: known are ${known.join(", ")}`);
  }
}

/** Two such nodes would share their output files where the file system ignores case. */
function checkDistinct(nodes: FlowNode[], fail: (problem: string) => never): void {
  const seen = new Map<string, string>();
  for (const { id } of nodes) {
    const other = seen.get(id.toLowerCase());
    if (other !== undefined) {
      fail(`nodes ${quoted(other)} and ${quoted(id)} differ only in case`);
    }
    seen.set(id.toLowerCase(), id);
  }
}

class NodeParser {
  readonly #id: string;
  readonly #fail: (problem: string) => never;

  constructor(id: string, fail: (problem: string) => never) {
    this.#id = id;
    this.#fail = fail;
  }

  parse(node: Json, directory: string): FlowNode {
    const problem = nameProblem(this.#id);
    if (problem !== undefined) this.#fail(problem);
    if (!(node instanceof Map)) return this.#fail('must be an object: { "run": [PROGRAM, …] }');
    checkKeys(node, NODE_KEYS, this.#fail);
    const timeoutMs = this.#timeout(node.get("timeout"));
    if (node.has("task") && node.has("run")) this.#fail('has a "run" and a "task": remove one');
    const member = (name: string, otherwise: Json) => {
      const value = node.get(name);
      return value === undefined ? otherwise : value;
    };
    const parsed = {
      id: this.#id,
      ...(node.has("task") ? this.#task(node.get("task")!) : { run: this.#run(node.get("run")) }),
      needs: this.#needs(member("needs", [])),
      env: this.#env(member("env", new Map())),
      cwd: this.#cwd(member("cwd", "."), directory),
      ...(timeoutMs !== undefined && { timeoutMs }),
    };
    const variables = Object.entries(parsed.env).map(([name, value]) => `${name}=${value}`);
    this.#checkLength([...parsed.run, ...variables]);
    return parsed;
  }

  /** The system would refuse to start such a command, and the records to tell of it. */
  #checkLength(texts: string[]): void {
    let all = 0;
    for (const text of texts) {
      const bytes = encodeUtf8(text).length;
      const remedy = "write it to a file, and name that";
      if (bytes > MOST_ARGUMENT_BYTES) {
        this.#fail(`has an argument or a variable of ${formatSize(bytes)}, over 128KiB: ${remedy}`);
      }
      all += bytes + 1;
      if (all > MOST_ARGUMENTS_BYTES) this.#fail(`has arguments of over 2MiB in all: ${remedy}`);
    }
  }

  #task(value: Json): { run: string[]; task: string } {
    if (typeof value !== "string" || value === "" || /^-|\0/.test(value)) {
      return this.#fail(`has the task ${quoted(value)}, which is no name of a task`);
    }
    return { run: taskCommand(value), task: value };
  }

  #run(value: Json | undefined): string[] {
    if (value === undefined) {
      this.#fail('has no "run": add its command, such as ["deno", "lint"], or a "task"');
    }
    if (typeof value === "string") {
      this.#fail(
        'has a text as "run": write a list, such as ["deno", "lint"], or ["sh", "-c", TEXT]',
      );
    }
    const argv = this.#texts(value, "run");
    if (argv.length === 0 || argv[0] === "") this.#fail('names no program in "run"');
    return argv;
  }

  #needs(value: Json): string[] {
    const needs = this.#texts(value, "needs");
    const seen = new Set<string>();
    const double = needs.find((id) => seen.size === seen.add(id).size);
    if (double !== undefined) this.#fail(`needs ${quoted(double)} twice`);
    return needs;
  }

  #timeout(value: Json | undefined): number | undefined {
    if (value === undefined) return undefined;
    const shown = `has the timeout ${quoted(value)}, which`;
    const duration = typeof value === "string"
      ? parseDuration(value)
      : { problem: 'is no text: write one, such as "30s"' };
    if (typeof duration !== "number") return this.#fail(`${shown} ${duration.problem}`);
    if (duration === 0) this.#fail(`${shown} leaves no time: leave it out, or write more`);
    return duration;
  }

  #env(value: Json): Record<string, string> {
    if (!(value instanceof Map)) return this.#fail('has an "env" that is no object of texts');
    for (const [name, text] of value) {
      const shown = `sets the variable ${quoted(name)}`;
      if (name === "" || /[=\0]/.test(name)) this.#fail(`${shown}, which is no name of a variable`);
      if (OWN_VARIABLES.some((own) => own === name)) {
        this.#fail(`${shown}, which is set for every node`);
      }
      if (typeof text !== "string" || text.includes("\0")) {
        this.#fail(`${shown} to something that is no text`);
      }
    }
    return Object.fromEntries(value as Map<string, string>);
  }

  #cwd(value: Json, directory: string): string {
    if (typeof value !== "string" || value === "" || value.includes("\0")) {
      return this.#fail(`has the cwd ${quoted(value)}, which is no path`);
    }
    return resolve(directory, value);
  }

  #texts(value: Json | undefined, key: string): string[] {
    const isTexts = Array.isArray(value) &&
      value.every((item) => typeof item === "string" && !item.includes("\0"));
    if (!isTexts) this.#fail(`has a "${key}" that is no list of texts`);
    return value as string[];
  }
}

/**
 * Reads the constraints of a flow: names as on the wire, durations as text. What is left out is as
 * in {@linkcode DEFAULT_CONSTRAINTS}.
 */
function parseConstraints(
  value: Json | undefined,
  fail: (problem: string) => never,
): Constraints {
  if (value === undefined) return DEFAULT_CONSTRAINTS;
  if (!(value instanceof Map)) return fail('"constraints" must be an object');
  // Counts first, as the help says them.
  const known = CONSTRAINT_NAMES.toSorted((a, b) => rank(a) - rank(b));
  const stated = new Map<ConstraintName, number | Duration>();
  for (const [key, given] of value) {
    const name = known.find((name) => name === key);
    if (name === undefined) {
      const names = known.join(", ");
      return fail(`"constraints" has the unknown key ${quoted(key)}: known are ${names}`);
    }
    const { kind, flowLeast: least = 0 } = CONSTRAINTS[name];
    const isCount = kind === "count";
    stated.set(name, isCount ? count(name, given, { least, fail }) : duration(name, given, fail));
  }
  const constraints = mapConstraints((_, name) => stated.get(name) ?? DEFAULT_CONSTRAINTS[name]);
  const pair = incompletePair(constraints);
  if (pair !== undefined) {
    fail(`"constraints" has only one of ${pair.join(" and ")}: give both, or none`);
  }
  return constraints as Constraints;
}

function rank(name: ConstraintName): number {
  return CONSTRAINTS[name].kind === "count" ? 0 : 1;
}

function count(
  name: string,
  value: Json,
  { least, fail }: { least: number; fail: (problem: string) => never },
): number {
  if (Number.isSafeInteger(value) && (value as number) >= least) return value as number;
  return fail(`the constraint ${name} must be a whole number from ${least} on`);
}

function duration(name: string, value: Json, fail: (problem: string) => never): Duration {
  const shown = `the constraint ${name} is ${quoted(value)}, which`;
  const milliseconds = typeof value === "string"
    ? parseDuration(value)
    : { problem: 'is no text: write one, such as "30s"' };
  if (typeof milliseconds !== "number") return fail(`${shown} ${milliseconds.problem}`);
  if (milliseconds === 0) return fail(`${shown} leaves no time: leave it out, or write more`);
  return { secs: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1_000_000 };
}

/**
 * Reads a flow file.
 *
 * @throws {UsageError} If it cannot be read or is wrong; the message says where, and what to do.
 */
export async function readFlow(path: string): Promise<Flow> {
  return parseFlow(await readText(path), path);
}

async function readText(path: string): Promise<string> {
  try {
    return decodeUtf8(await readBounded(path)).replace(/^\ufeff/, "");
  } catch (error) {
    throw new UsageError(`Cannot read the flow ${path}: ${problemOf(error)}`, { cause: error });
  }
}

/** It may be a pipe, and then no size tells how much will come. */
async function readBounded(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  let bytes: Uint8Array = new Uint8Array(64 * 1024);
  let filled = 0;
  for (;;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) return bytes.subarray(0, filled);
    filled += count;
    if (filled > MOST_FLOW_BYTES) throw new RangeError("it has over 64MiB");
    if (filled === bytes.length) bytes = joinBytes([bytes, new Uint8Array(filled)]);
  }
}

function problemOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof TypeError) return "it is not UTF-8";
  return reasonOf(error);
}
