import { decodeUtf8, joinBytes, reasonOf } from "../../_internal/text.ts";
import { UsageError } from "../exit_codes.ts";
import type { Flow } from "./flow.ts";
import { parseFlow } from "./parse_flow.ts";
import { withSecrets } from "./secrets.ts";

const MOST_FLOW_BYTES = 64 * 1024 * 1024;

/**
 * Reads a flow file; one that is a program is evaluated, which only who runs it may do.
 *
 * @param path The file.
 * @param evaluation With what a program is evaluated; undefined for who only reads.
 * @throws {UsageError} If it cannot be read or is wrong; the message says where, and what to do.
 */
export async function readFlow(
  path: string,
  evaluation?: { args: readonly string[] },
): Promise<Flow> {
  const flow = isProgramFile(path)
    ? await evaluated(path, evaluation?.args)
    : await readFlowFile(path, evaluation);
  if (flow.nodes.every(({ task }) => task === undefined)) return flow;
  // Flows without tasks do not pay for them.
  const { expandTasks } = await import("./expand_tasks.ts");
  return expandTasks(flow);
}

/** The flow that is named besides a recording, if one is: commands that run again may need what it has of them. */
export async function givenFlow(
  path: string | undefined,
  masks: readonly string[],
): Promise<Flow | undefined> {
  return path === undefined ? undefined : await withSecrets(await readFlow(path), masks);
}

async function readFlowFile(
  path: string,
  evaluation: { args: readonly string[] } | undefined,
): Promise<Flow> {
  if (evaluation !== undefined && evaluation.args.length > 0) {
    throw new UsageError(
      `Cannot run ${path} with arguments: only a flow that is a program, such as flow.ts, takes some`,
    );
  }
  return parseFlow(await readText(path), path);
}

function isProgramFile(path: string): boolean {
  return /\.[mc]?[jt]s$/.test(path);
}

async function evaluated(path: string, args: readonly string[] | undefined): Promise<Flow> {
  if (args === undefined) {
    throw new UsageError(
      `Cannot read the flow ${path}: it is a program, which only taffrail run and resume evaluate`,
    );
  }
  // Deno would say in more words that there is none.
  await readText(path);
  // Few flows are programs, and every file costs at each start.
  const { evaluateFlow } = await import("../process/evaluate_flow.ts");
  const text = await evaluateFlow(path, args, (problem) => {
    throw new UsageError(`Cannot run ${path}: it ${problem}`);
  });
  return { ...parseFlow(text, path), ...(args.length > 0 && { args: [...args] }) };
}

async function readText(path: string): Promise<string> {
  try {
    return decodeUtf8(await readBounded(path)).replace(/^\ufeff/, "");
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    const remedy = isMissing && /^[\w:-]+$/.test(path) ? `; a task is run by --tasks ${path}` : "";
    const problem = `Cannot read the flow ${path}: ${problemOf(error)}${remedy}`;
    throw new UsageError(problem, { cause: error });
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
