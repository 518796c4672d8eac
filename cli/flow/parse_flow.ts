import { defined } from "../../_internal/errors.ts";
import { dirname } from "../../_internal/path.ts";
import { UsageError } from "../exit_codes.ts";
import { resolve } from "../files.ts";
import { quoted } from "../text/printable.ts";
import { type Flow, flowNameProblem, type FlowNode, makeFlow, ON_FAILURE } from "./flow.ts";
import {
  checkKeys,
  checkVariableName,
  commandIn,
  durationIn,
  type Fail,
  readerOf,
  textIn,
  textsIn,
  variablesIn,
  wordIn,
} from "./flow_values.ts";
import { checkOutputVariables } from "./output_variables.ts";
import { parseConstraints } from "./parse_constraints.ts";
import { type Json, parseJsonc } from "./parse_jsonc.ts";
import { NodeParser, type NodeSurroundings } from "./parse_node.ts";
import { readEnvFile } from "./read_env_file.ts";
import { checkNeeds } from "./ready_nodes.ts";

/** All that a flow may say. */
export const FLOW_KEYS: readonly string[] = [
  "$schema",
  "name",
  "description",
  "env",
  "env_file",
  "secret",
  "shell",
  "on_failure",
  "deadline",
  "constraints",
  "nodes",
];

/** What runs the text of an `sh`: it ends at the first command that fails, or a variable that is not set. */
const DEFAULT_SHELL = ["sh", "-euc"];

/**
 * Reads a flow and checks all that can be checked without looking further than the text, and at the
 * variables that it takes from a file.
 *
 * @throws {UsageError} Its message names the file, the node and what to do.
 */
export function parseFlow(text: string, path: string): Flow {
  const fail: Fail = (problem) => {
    throw new UsageError(`Cannot run ${path}: ${problem}`);
  };
  return flowFrom(parseText(text, fail), path, fail);
}

/** Reads a flow that has been parsed; `fail` says what is wrong with it. */
export function flowFrom(flow: Json, path: string, fail: Fail): Flow {
  if (!(flow instanceof Map)) return fail('it is no JSON object: write { "name": …, "nodes": … }');
  const ofFlow: Fail = (problem) => fail(`it ${problem}`);
  checkKeys(flow, FLOW_KEYS, ofFlow);
  const name = flow.get("name");
  if (name === undefined) fail('it has no "name": add one, such as "ci"');
  const problem = flowNameProblem(name);
  if (problem !== undefined) fail(`name ${quoted(name)} ${problem}`);
  const entries = flow.get("nodes");
  if (entries === undefined) fail('it has no "nodes": add at least one');
  if (!(entries instanceof Map)) return fail('"nodes" must be an object of nodes by their id');
  if (entries.size === 0) fail('"nodes" is empty: add at least one node');
  const members = membersOf(flow, ofFlow);
  const surroundings = surroundingsOf(flow, { directory: dirname(resolve(path)), fail: ofFlow });
  const nodes = [...entries].map(([id, value]) => {
    return new NodeParser(id, (problem) => fail(`node ${quoted(id)} ${problem}`))
      .parse(value, surroundings);
  });
  checkDistinct(nodes, fail);
  checkNeeds(nodes, fail);
  checkOutputVariables(nodes, fail);
  const constraints = parseConstraints(flow.get("constraints"), fail);
  return makeFlow({ path, name: name as string, ...members, nodes, constraints });
}

function parseText(text: string, fail: Fail): Json {
  try {
    return parseJsonc(text, { comments: true });
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const isOther = error.message.startsWith("line 1, column 1:");
    return fail(
      isOther ? `${error.message}; a flow is JSON, or a module as flow.ts` : error.message,
    );
  }
}

/** What a flow says of itself as a whole. */
function membersOf(flow: Map<string, Json>, fail: Fail): Partial<Flow> {
  const read = readerOf(flow, fail);
  // Whatever reads it looks at this, and nothing here does.
  read("$schema", textIn);
  return defined({
    description: read("description", textIn),
    onFailure: read("on_failure", (value, key) => wordIn(value, { key, known: ON_FAILURE, fail })),
    deadlineMs: read("deadline", (value) => {
      return durationIn(value, { shown: `has the deadline ${quoted(value)}, which`, fail });
    }),
    secrets: read("secret", (value, key) => {
      const names = textsIn(value, key, fail);
      for (const name of names) {
        checkVariableName(name, (problem) => fail(`calls ${quoted(name)} secret, ${problem}`));
      }
      return [...new Set(names)];
    }),
  });
}

/** What it says for all of its nodes. */
function surroundingsOf(
  flow: Map<string, Json>,
  { directory, fail }: { directory: string; fail: Fail },
): NodeSurroundings {
  const read = readerOf(flow, fail);
  const envFile = read("env_file", textIn);
  const fromFile = envFile === undefined ? {} : readEnvFile(resolve(directory, envFile), fail);
  return {
    directory,
    fromFile,
    env: read("env", (value) => variablesIn(value, fail)) ?? {},
    shell: read("shell", commandIn) ?? DEFAULT_SHELL,
  };
}

/** People would take one for the other. */
function checkDistinct(nodes: readonly FlowNode[], fail: Fail): void {
  const seen = new Map<string, string>();
  for (const { id } of nodes) {
    const other = seen.get(id.toLowerCase());
    if (other !== undefined) {
      fail(`nodes ${quoted(other)} and ${quoted(id)} differ only in case`);
    }
    seen.set(id.toLowerCase(), id);
  }
}
