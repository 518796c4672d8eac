/** A flow whose effects can be counted, with all that makes a run hard to get right. */

/** How many nodes it has. */
export const LARGE_FLOW_NODES = 30;
/** Nodes that fail in their first attempt and succeed in their second. */
const FLAKY = new Set([4, 11, 19]);

/**
 * Thirty nodes with needs across, four of them at once, five in each tenth of a second, some of which
 * have to be tried again. Each appends `begin ATTEMPT PID` and `end ATTEMPT PID` to
 * `effects/<node>` below its directory.
 */
export function largeFlow(changes: Record<string, Record<string, unknown>> = {}): string {
  const nodes: Record<string, Record<string, unknown>> = {};
  for (let index = 0; index < LARGE_FLOW_NODES; index++) {
    const id = nodeName(index);
    const needs = [index - 3, index - 7].filter((need) => need >= 0).map(nodeName);
    const fails = FLAKY.has(index) ? `[ "$(grep -c begin effects/${id})" -gt 1 ] || exit 7; ` : "";
    const say = (word: string) => `echo "${word} $TAFFRAIL_ATTEMPT $$" >>effects/${id}; `;
    const script = `${say("begin")}${fails}${say("end")}`;
    nodes[id] = { run: ["sh", "-c", script], needs, ...changes[id] };
  }
  return JSON.stringify({
    name: "large",
    nodes,
    constraints: {
      max_in_flight: 4,
      max_retries: 2,
      max_per_window: 5,
      rate_window: "100ms",
    },
  });
}

/** The name of a node, by its place. */
export function nodeName(index: number): string {
  return `n${String(index).padStart(2, "0")}`;
}

/** Writes the flow file and the directory for the effects. */
export async function writeLargeFlow(
  directory: string,
  changes?: Parameters<typeof largeFlow>[0],
): Promise<string> {
  await Deno.mkdir(`${directory}/effects`);
  await Deno.writeTextFile(`${directory}/large.json`, largeFlow(changes));
  return "large.json";
}

/** How often each word stands in the file of a node; 0 where it was never begun. */
export async function effectsOf(
  directory: string,
  node: string,
): Promise<{ begun: number; ended: number }> {
  const text = await Deno.readTextFile(`${directory}/effects/${node}`).catch(() => "");
  const lines = text.split("\n");
  return {
    begun: lines.filter((line) => line.startsWith("begin ")).length,
    ended: lines.filter((line) => line.startsWith("end ")).length,
  };
}
