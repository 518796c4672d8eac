import type { Flow } from "./flow.ts";
import { RecordingError } from "./recording_error.ts";
import type { RunRecorder } from "../../run/mod.ts";

/** Records a run from its begin to its end. */
export interface RunFlowOptions {
  /** Records the begin and the end of the run. */
  recorder: RunRecorder;
  /** Runs the nodes, and tells why that ended early; undefined when all has completed. */
  runNodes: () => Promise<string | undefined>;
}

/**
 * Runs a flow. Whatever happens, the log gets exactly one terminal event (OEV-6), unless it is the
 * log that cannot be written.
 */
export async function runFlow(flow: Flow, options: RunFlowOptions): Promise<void> {
  const { recorder, runNodes } = options;
  await recorder.pipeStarted({ name: flow.name, nodes: flow.nodes.map(({ id }) => id) });
  try {
    const reason = await runNodes();
    if (reason === undefined) await recorder.pipeCompleted();
    else await recorder.pipeAborted(reason);
  } catch (error) {
    if (error instanceof RecordingError && error.what === "log") throw error;
    await recorder.pipeAborted(error instanceof Error ? error.message : String(error));
    throw error;
  }
}
