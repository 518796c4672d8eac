import { defined } from "../../_internal/errors.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { resolve } from "../files.ts";
import { quoted } from "../text/printable.ts";
import { formatSize } from "../text/units.ts";
import {
  type FlowNode,
  makeNode,
  nodeIdProblem,
  type NodeRetry,
  taskCommand,
  WHEN,
} from "./flow.ts";
import {
  checkKeys,
  commandIn,
  durationIn,
  type Fail,
  flagIn,
  readerOf,
  textIn,
  textsIn,
  variablesIn,
  wordIn,
} from "./flow_values.ts";
import type { Json } from "./parse_jsonc.ts";

/** What a node may be: at most one of these. */
const KINDS = ["run", "sh", "task", "gate"] as const;

/** All that a node may say. */
export const NODE_KEYS: readonly string[] = [
  ...KINDS,
  "needs",
  "description",
  "timeout",
  "retry",
  "when",
  "allow_failure",
  "env",
  "cwd",
  "on",
];

/** All that the `retry` of a node may say. */
export const RETRY_KEYS: readonly string[] = ["max", "delay", "factor", "max_delay", "not_on"];

/** What Linux takes as one argument or variable of a program. */
const MOST_ARGUMENT_BYTES = 128 * 1024 - 1;
const MOST_ARGUMENTS_BYTES = 2 * 1024 * 1024;

/** What the flow of a node says for all of them. */
export interface NodeSurroundings {
  /** The directory that a `cwd` is seen from. */
  directory: string;
  /** Variables of the `env_file`, which every node gets. */
  fromFile: Readonly<Record<string, string>>;
  /** Variables of the flow, which every node gets, in place of those. */
  env: Readonly<Record<string, string>>;
  /** What runs the text of an `sh`. */
  shell: readonly string[];
}

/** Reads one node of a flow file. */
export class NodeParser {
  readonly #id: string;
  readonly #fail: Fail;

  /** `fail`: says what is wrong with this node. */
  constructor(id: string, fail: Fail) {
    this.#id = id;
    this.#fail = fail;
  }

  /** Checks all that can be checked without looking further than the text. */
  parse(node: Json, { directory, fromFile, env: ofFlow, shell }: NodeSurroundings): FlowNode {
    const problem = nodeIdProblem(this.#id);
    if (problem !== undefined) this.#fail(problem);
    if (!(node instanceof Map)) return this.#fail('must be an object: { "run": [PROGRAM, …] }');
    checkKeys(node, NODE_KEYS, this.#fail);
    const fail = this.#fail;
    const read = readerOf(node, fail);
    const env = { ...ofFlow, ...read("env", (value) => variablesIn(value, fail)) };
    const parsed = makeNode(defined({
      id: this.#id,
      ...this.#command(node, shell),
      description: read("description", textIn),
      needs: read("needs", (value) => this.#distinct(value, "needs")),
      when: read("when", (value, key) => wordIn(value, { key, known: WHEN, fail })),
      allowFailure: read("allow_failure", flagIn),
      timeoutMs: read("timeout", (value) => {
        return durationIn(value, { shown: `has the timeout ${quoted(value)}, which`, fail });
      }),
      retry: read("retry", (value) => this.#retry(value)),
      env: { ...fromFile, ...env },
      envFromFile: namesOnlyIn(fromFile, env),
      cwd: this.#cwd(node.get("cwd"), directory),
      labels: read("on", (value) => this.#distinct(value, "on")),
    }));
    if (parsed.when === "failure" && parsed.needs.length === 0) {
      fail('has the when "failure" and no "needs": name the nodes whose failure it is for');
    }
    const variables = Object.entries(parsed.env).map(([name, value]) => `${name}=${value}`);
    this.#checkLength([...parsed.run, ...variables]);
    return parsed;
  }

  #command(
    node: Map<string, Json>,
    shell: readonly string[],
  ): Pick<FlowNode, "run" | "task" | "gate"> {
    const [kind, other] = KINDS.filter((kind) => node.has(kind));
    if (other !== undefined) this.#fail(`has a "${kind}" and a "${other}": remove one`);
    if (kind === undefined) return this.#aggregate(node);
    const value = node.get(kind)!;
    switch (kind) {
      case "task":
        return this.#task(value);
      case "gate":
        return this.#gate(value);
      case "sh":
        return { run: [...shell, textIn(value, "sh", this.#fail)] };
      default:
        return { run: this.#run(value) };
    }
  }

  #aggregate(node: Map<string, Json>): { run: string[] } {
    const needs = node.get("needs");
    if (!Array.isArray(needs) || needs.length === 0) {
      this.#fail('has no "run": add its command, such as ["deno", "lint"], an "sh" or a "task"');
    }
    for (const key of ["timeout", "retry", "when", "allow_failure", "env", "cwd", "on"]) {
      if (node.has(key)) this.#fail(`runs nothing, and has a "${key}": add a "run", or remove it`);
    }
    return { run: [] };
  }

  #gate(question: Json): { run: string[]; gate: string } {
    if (typeof question === "string" && question !== "") return { run: [], gate: question };
    return this.#fail('has a "gate" that is no text: write what is asked, as "Deploy?"');
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

  #run(value: Json): string[] {
    if (typeof value === "string") {
      this.#fail(
        'has a text as "run": write a list, such as ["deno", "lint"], or "sh" instead of "run"',
      );
    }
    return commandIn(value, "run", this.#fail);
  }

  /** Texts of which none stands twice. */
  #distinct(value: Json, key: "needs" | "on"): string[] {
    const texts = textsIn(value, key, this.#fail);
    const seen = new Set<string>();
    const double = texts.find((text) => seen.size === seen.add(text).size);
    const verb = key === "needs" ? "needs" : "names the label";
    if (double !== undefined) this.#fail(`${verb} ${quoted(double)} twice`);
    return texts;
  }

  #retry(value: Json): NodeRetry {
    const fail: Fail = (problem) => this.#fail(`has a retry that ${problem}`);
    if (!(value instanceof Map)) return fail('is no object: write one, such as { "max": 3 }');
    checkKeys(value, RETRY_KEYS, fail);
    const read = readerOf(value, fail);
    const delayIn = (given: Json, key: string) => {
      const shown = `has the ${key} ${quoted(given)}, which`;
      return durationIn(given, { shown, fail, mayBeZero: key === "delay" });
    };
    const { max, factor, notOn } = retryNumbers(value, fail);
    const delayMs = read("delay", delayIn) ?? 0;
    const maxDelayMs = read("max_delay", delayIn);
    if (maxDelayMs !== undefined && maxDelayMs < delayMs) {
      fail('has a "max_delay" that is shorter than its "delay"');
    }
    return { maxRetries: max, delayMs, factor, ...defined({ maxDelayMs }), notOn };
  }

  #cwd(value: Json | undefined, directory: string): string {
    if (value === undefined) return directory;
    if (typeof value !== "string" || value === "" || value.includes("\0")) {
      return this.#fail(`has the cwd ${quoted(value)}, which is no path`);
    }
    return resolve(directory, value);
  }
}

const MOST_FACTOR = 1000;

function retryNumbers(
  retry: Map<string, Json>,
  fail: Fail,
): { max: number; factor: number; notOn: number[] } {
  const max = retry.get("max");
  if (max === undefined) fail('has no "max": say how often it is tried again');
  if (!Number.isSafeInteger(max) || (max as number) < 0) {
    fail('has a "max" that is no whole number from 0 on');
  }
  const { factor = 1, not_on: notOn = [] } = Object.fromEntries(retry);
  if (!Number.isSafeInteger(factor) || (factor as number) < 1 || (factor as number) > MOST_FACTOR) {
    return fail(`has a "factor" that is no whole number from 1 to ${MOST_FACTOR}`);
  }
  const isCode = (code: Json) => {
    return Number.isSafeInteger(code) && (code as number) >= 1 && (code as number) <= 255;
  };
  if (!Array.isArray(notOn) || !notOn.every(isCode)) {
    return fail('has a "not_on" that is no list of exit codes from 1 to 255');
  }
  return { max: max as number, factor: factor as number, notOn: notOn as number[] };
}

/** The names of variables that are in one and not in the other; undefined where there are none. */
function namesOnlyIn(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): string[] | undefined {
  const names = Object.keys(one).filter((name) => !Object.hasOwn(other, name));
  return names.length === 0 ? undefined : names;
}
