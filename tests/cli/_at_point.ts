/** Runs that end at a point, what is left of them, and what they come to. */
import { assertEquals } from "@std/assert";
import { recoverCapture } from "../../capture/mod.ts";
import type { Ended } from "../_util/process.ts";
import type { Point } from "../_util/end_at.ts";
import { start, taffrail } from "./_command.ts";
import { onlyRun } from "./_runs.ts";

export type { Point } from "../_util/end_at.ts";

const KILLED_AT = import.meta.resolve("./_killed_at.ts");

/** Runs the command until it has ended, by itself or at a point. */
export async function taffrailUntil(
  point: Point | undefined,
  args: string[],
  cwd: string,
): Promise<Ended> {
  if (point === undefined) return await taffrail(args, { cwd });
  const program = ["run", "--allow-all", "--no-lock", KILLED_AT, JSON.stringify(point)];
  await using command = start(Deno.execPath(), [...program, ...args], { cwd });
  await command.closeInput();
  return await command.end();
}

/** What a run came to. */
export interface Outcome {
  /** What was asked for, in this order: the ids of the events. */
  asks: string[];
  /** How the attempts at each node ended, as `show` says it. */
  attempts: Record<string, string[]>;
  /** The attempts whose commands ran, in this order. */
  ran: string[];
}

/** A command that says that it runs, and then does something. */
export function saying(script: string): string[] {
  return ["sh", "-c", `echo $TAFFRAIL_NODE_ID$TAFFRAIL_ATTEMPT >> ran; ${script}`];
}

/** What the only run below a directory has come to; its records have to agree, and to replay. */
export async function outcomeOf(cwd: string): Promise<Outcome> {
  const root = `${cwd}/.taffrail`;
  const runId = await onlyRun(root);
  const { bundle } = await recoverCapture(`${root}/runs/${runId}/capture.jsonl`);
  if (!("inputs" in bundle)) throw new Error("The session is serial");
  const asks = bundle.inputs.flatMap((input) => {
    return input.type === "event" && input.kind === "Command" ? input.event_id : [];
  });
  for (const verb of ["verify", "replay"]) {
    const { code, stdout, stderr } = await taffrail([verb, runId], { cwd });
    assertEquals(code, 0, `${verb}: ${stdout}${stderr}`);
  }
  const shown = JSON.parse((await taffrail(["show", "--json", runId], { cwd })).stdout);
  const attempts = shown.nodes.map(({ id, attempts = [] }: ShownNode) => {
    return [id, attempts.map(({ attempt, status }) => `${attempt} ${wordOf(status)}`)];
  });
  const ran = await Deno.readTextFile(`${cwd}/ran`).catch(() => "");
  return { asks, attempts: Object.fromEntries(attempts), ran: ran.split("\n").slice(0, -1) };
}

type Status = string | { Failed: { kind: string; cancelled?: boolean } };

interface ShownNode {
  id: string;
  attempts?: { attempt: number; status: Status }[];
}

function wordOf(status: Status): string {
  if (typeof status === "string") return status;
  const { kind, cancelled = false } = status.Failed;
  return cancelled ? "cancelled" : kind;
}
