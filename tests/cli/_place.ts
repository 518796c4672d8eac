/** A place for attempts, and a held run of real files that it records in. */
import { CommandPlace, type CommandPlaceOptions } from "../../cli/process/command_place.ts";
import { type FlowNode, makeNode } from "../../cli/flow/flow.ts";
import type { AttemptEnd, HeldRun, OutputRef, OutputSink, RunLines } from "../../run/types.ts";

/** Keeps outputs and lines in files of a directory, and says what it was asked for, in order. */
export class FileHeld implements Pick<HeldRun, "append" | "openOutput"> {
  /** What was asked for. */
  readonly calls: string[] = [];
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  append(lines: RunLines): Promise<void> {
    this.calls.push("append");
    const text = (lines.processes ?? []).map((line) => `${line}\n`).join("");
    Deno.writeTextFileSync(`${this.#directory}/processes.jsonl`, text, { append: true });
    return Promise.resolve();
  }

  openOutput({ nodeId, attempt, stream }: OutputRef): OutputSink {
    const name = `${nodeId}.${attempt}.${stream}`;
    this.calls.push(`open ${name}`);
    const path = `${this.#directory}/${name}`;
    const file = Deno.createSync(path);
    return {
      write: (chunk) => {
        for (let rest = chunk; rest.length > 0;) rest = rest.subarray(file.writeSync(rest));
      },
      ready: () => Promise.resolve(),
      close: async ({ sync = false } = {}) => {
        this.calls.push(`close ${name}${sync ? " synced" : ""}`);
        if (sync) file.syncSync();
        file.close();
        const bytes = await Deno.readFile(path);
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        return { sha256: digest.toHex(), bytes: bytes.length, cut: false, leftOut: 0 };
      },
    };
  }
}

/** What one node is, besides its arguments. */
export type NodeParts = Partial<Omit<FlowNode, "id" | "run">>;

/** A place in a directory, and what it says. */
export function placeIn(
  directory: string,
  nodes: Record<string, { run: string[]; program?: string } & NodeParts>,
  options: Partial<CommandPlaceOptions> = {},
) {
  const held = new FileHeld(directory);
  const notes: string[] = [];
  const entries = Object.entries(nodes);
  const place = new CommandPlace({
    held,
    nodes: new Map(entries.map(([id, { program: _, ...node }]) => {
      return [id, makeNode({ id, cwd: directory, ...node })];
    })),
    findProgram: ({ id, run }) => nodes[id]!.program ?? run[0]!,
    root: directory,
    runId: "r-1",
    maxOutputBytes: 1024 * 1024,
    graceMs: 10_000,
    kill: new AbortController().signal,
    note: (text) => notes.push(text),
    isNeeded: () => false,
    ...options,
  });
  const run = (
    nodeId: string,
    { attempt = 1, signal = new AbortController().signal } = {},
  ): Promise<AttemptEnd> => place.run({ nodeId, attempt, payload: {}, signal });
  return { place, held, notes, run };
}

/** A node that a shell runs. */
export function shell(text: string): { run: string[] } {
  return { run: ["/bin/sh", "-c", text] };
}
