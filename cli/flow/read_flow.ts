import { UsageError } from "../usage_error.ts";
import type { Flow } from "./flow.ts";
import { parseFlow } from "./parse_flow.ts";

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
    return new TextDecoder("utf-8", { fatal: true }).decode(await Deno.readFile(path));
  } catch (error) {
    throw new UsageError(`Cannot read the flow ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof TypeError) return "it is not UTF-8";
  return error instanceof Error ? error.message : String(error);
}
