import type { Flow, NodeInvoker, Termination } from "./flow.ts";
import type { Interrupts } from "./interrupts.ts";
import { nextReadyNode } from "./order.ts";
import { RecordingError } from "./recording_error.ts";
import { errorKindOf, type RunRecorder } from "./run_recorder.ts";

/** What a flow is run with. */
export interface RunFlowOptions {
  /** Makes the attempts. */
  invoker: NodeInvoker;
  /** Records the begin and the end of the run. */
  recorder: RunRecorder;
  /** The wish of the user to end it. */
  interrupts: Pick<Interrupts, "stop" | "received">;
}

/**
 * Runs the nodes of a flow one after the other, each when those it needs have completed, until one
 * does not. Whatever happens, the log gets exactly one terminal event (OEV-6), unless it is the
 * log that cannot be written.
 */
export async function runFlow(flow: Flow, options: RunFlowOptions): Promise<void> {
  const { recorder } = options;
  await recorder.pipeStarted(flow);
  try {
    const reason = await runNodes(flow, options);
    if (reason === undefined) await recorder.pipeCompleted();
    else await recorder.pipeAborted(reason);
  } catch (error) {
    if (!(error instanceof RecordingError) || error.what === "log") throw error;
    await recorder.pipeAborted(error.message);
    throw error;
  }
}

/** Tells why the run ended early; undefined when all has completed. */
async function runNodes(flow: Flow, options: RunFlowOptions): Promise<string | undefined> {
  const { invoker, interrupts } = options;
  const started = new Set<string>();
  const completed = new Set<string>();
  for (;;) {
    const node = nextReadyNode(flow.nodes, { started, completed });
    if (node === undefined) return undefined;
    if (interrupts.received !== undefined) return cancelled(interrupts.received.name);
    started.add(node.id);
    const request = { nodeId: node.id, attempt: 1, signal: interrupts.stop };
    const termination = await invoker.run(request);
    if (termination !== "Completed") return reasonOf(node.id, termination, options);
    completed.add(node.id);
  }
}

function reasonOf(
  nodeId: string,
  termination: Exclude<Termination, "Completed">,
  { interrupts }: RunFlowOptions,
): string {
  if (termination === "Aborted" && interrupts.received !== undefined) {
    return cancelled(interrupts.received.name);
  }
  return `node ${nodeId} failed: ${errorKindOf(termination)}`;
}

function cancelled(signal: Deno.Signal): string {
  return `cancelled by ${signal}`;
}
