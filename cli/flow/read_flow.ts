import { decodeUtf8, joinBytes, reasonOf } from "../../_internal/text.ts";
import { UsageError } from "../exit_codes.ts";
import { expandTasks } from "./expand_tasks.ts";
import type { Flow } from "./flow.ts";
import { parseFlow } from "./parse_flow.ts";

const MOST_FLOW_BYTES = 64 * 1024 * 1024;

/**
 * Reads a flow file.
 *
 * @throws {UsageError} If it cannot be read or is wrong; the message says where, and what to do.
 */
export async function readFlow(path: string): Promise<Flow> {
  return expandTasks(parseFlow(await readText(path), path));
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
