import { resumeRun } from "../engine/resume_run.ts";
import { readRunHistory } from "../engine/run_history.ts";
import { findReadableRun } from "../reading/find_run.ts";
import { JsonRunView, TextRunView } from "../reading/run_view.ts";
import {
  COMMON_HELP,
  onlyOperand,
  readArguments,
  RECORDING_HELP,
  RECORDING_OPTIONS,
  recordingOptions,
  TRACE_HELP,
  TRACE_OPTIONS,
  traceOption,
  type Verb,
} from "./arguments.ts";

/** Whether a run has no end; one that cannot be read may have none. */
function isOpen(root: string, runId: string): boolean {
  try {
    return readRunHistory(root, runId).state === "Running";
  } catch {
    return true;
  }
}

/** `taffrail resume`: goes on with a run whose process died. */
export const resumeVerb: Verb = {
  summary: "go on with a run whose process was killed",
  help: `Goes on with a run whose process died: killed, or by a power cut. What has
completed does not run again. Attempts that were cut off are run again, when
nothing of them runs any more: what is left of them is ended first. RUN is the
id of a run, its beginning where no other begins so, or the name of a flow for
its newest run without an end.

Usage: taffrail resume [options] RUN

  --flow FLOW         the flow file, where it is no longer where it was: it has
                      the values of "env", and must not have changed
  --wait              wait for what is left of the run to end by itself
  --assume-ended      take it that nothing is left where nobody can tell; on
                      Linux that is rare
${TRACE_HELP}
${RECORDING_HELP}
${COMMON_HELP}

A run that has ended, well or not, cannot be resumed, nor can one that somebody
works on. Attempts are numbered on; max_retries counts anew. Ctrl-C ends what
runs and leaves the run without an end, so that it can be resumed again; SIGTERM
ends it for good. Output and exit codes are those of taffrail run.`,

  async run(args) {
    const kinds = {
      ...RECORDING_OPTIONS,
      ...TRACE_OPTIONS,
      flow: "string",
      wait: "boolean",
      "assume-ended": "boolean",
    } as const;
    const { root, json, options, operands } = readArguments("resume", args, kinds);
    const wanted = onlyOperand("resume", operands, "run");
    const runId = await findReadableRun(root, wanted, (id) => isOpen(root, id));
    const { report, exitCode, view } = await resumeRun({
      root,
      runId,
      flowPath: options.flow === undefined ? undefined : String(options.flow),
      waits: options.wait === true,
      assumesEnded: options["assume-ended"] === true,
      createView: (flow) => json ? new JsonRunView() : new TextRunView(flow, { root }),
      traceMode: traceOption(options),
      ...recordingOptions(options),
    });
    using _ = view;
    view.runEnded(report);
    return exitCode;
  },
};
