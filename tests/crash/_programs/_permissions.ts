import { say } from "./_pipe.ts";

/** Ways to use what a module exports, by its names. */
export type Uses = Record<string, () => unknown>;

/**
 * Uses everything that a module exports, with whatever permissions the program was given, and says
 * what became of each: `reader|writer <name> ok`, or `… <error class> <kind> <class of cause> <why>`.
 */
export async function tryAll(
  module: object,
  { readers, writers }: { readers: Uses; writers: Uses },
): Promise<void> {
  const uses = { ...writers, ...readers };
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === "function" && !(name in uses)) say(`${name} is not tried here`);
  }
  for (const [name, use] of Object.entries(uses)) {
    const kind = name in writers ? "writer" : "reader";
    try {
      await use();
      say(`${kind} ${name} ok`);
    } catch (error) {
      say(`${kind} ${name} ${describe(error)}`);
    }
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, cause } = error;
  const kind = "kind" in error ? error.kind : "-";
  const why = cause instanceof Error ? `${cause.name} ${cause.message}` : `- ${error.message}`;
  return `${name} ${kind} ${why}`;
}
