/**
 * The reader of events of the original program (omne 0.2), written down again from what is known of its
 * types and independent of the schema that is to be like it: eight types, the members that each needs, its
 * words, and nothing else. Members that it does not know are passed over.
 */
import { assertEquals } from "@std/assert";
import { readRunSync, runEventSchema } from "../../eventlog/mod.ts";
import { runPaths } from "../../_internal/root_layout.ts";

/** The original program reads every line of a log, and so does the schema; but for these types. */
export function assertOriginalReads(
  root: string,
  runId: string,
  { otherTypes = [] }: { otherTypes?: string[] } = {},
): void {
  const lines = Deno.readTextFileSync(runPaths(root, runId).events).split("\n");
  assertEquals(lines.pop(), "");
  const isOther = (type: string) => otherTypes.includes(type);
  const refused = lines.filter((line) => !originalReads(line));
  assertEquals(refused.filter((line) => !isOther(JSON.parse(line).type)), []);
  const schema = otherTypes.length === 0 ? { schema: runEventSchema } : {};
  const pages = [...readRunSync(root, runId, { strict: true, ...schema })];
  assertEquals(pages.flatMap(({ events }) => events).length, lines.length);
}

const SHAPES: Record<string, string> = {
  "pipe.started": "pipe:text inputs:inputs distro_version:text",
  "pipe.completed": "",
  "pipe.aborted": "reason:text",
  "node.started": "node_id:text kind:node name:text? model:text?",
  "node.completed": "node_id:text",
  "node.failed": "node_id:text error:error message:text?",
  "gate.passed": "node_id:text gate:text method:gate",
  "iteration.started": "node_id:text iteration:u32 byte_offset:u64",
};

const WORDS: Record<string, string> = {
  node: "bash command prompt loop",
  error: "crash blocked max_iterations_exceeded host_missing timeout gate_failed",
  gate: "hook human_cli mcp_tool",
};

/** Whether the original program reads a line of a log as an event. */
export function originalReads(line: string): boolean {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return false;
  }
  if (typeof event !== "object" || event === null || Array.isArray(event)) return false;
  if (/\\ud[89a-f]/i.test(JSON.stringify(event)) || depthOf(line) > 127) return false;
  const members = event as Record<string, unknown>;
  const shape = Object.hasOwn(SHAPES, String(members.type)) && typeof members.type === "string"
    ? SHAPES[members.type]!
    : undefined;
  if (shape === undefined) return false;
  return `id:text ts:text run_id:text ${shape}`.trim().split(" ").every((member) => {
    const [name, kind] = member.split(":") as [string, string];
    return fits(members[name], kind);
  });
}

function fits(value: unknown, kind: string): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string";
    case "text?":
      return value === undefined || value === null || typeof value === "string";
    case "u32":
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
    case "u64":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "inputs":
      return Array.isArray(value) && value.every((input) => {
        return typeof input?.key === "string" && typeof input?.value === "string";
      });
    case "error":
      return isWord((value as { kind?: unknown } | undefined)?.kind, kind);
    default:
      return isWord(value, kind);
  }
}

function isWord(value: unknown, kind: string): boolean {
  return typeof value === "string" && WORDS[kind]!.split(" ").includes(value);
}

function depthOf(line: string): number {
  let depth = 0;
  let most = 0;
  for (const bracket of line.replaceAll(/"(?:[^"\\]|\\.)*"/g, "").replaceAll(/[^[\]{}]/g, "")) {
    depth += "[{".includes(bracket) ? 1 : -1;
    most = Math.max(most, depth);
  }
  return most;
}
