/** What shows a run, and tells of it. */
import type { RunView } from "../../run/types.ts";
import type { RunObserver } from "../engine/types.ts";
import type { PassedOutput } from "../process/output_pump.ts";
import type { JunitFile } from "../report/junit_file.ts";
import type { Screen } from "../text/screen.ts";
import type { RunReport } from "../reading/run_report.ts";

/** Shows a run while it runs, and how it ended. */
export interface RunDisplay extends RunObserver, AsyncDisposable {
  /** What the commands print, where it is passed on; undefined when it only goes to files. */
  readonly passed: PassedOutput | undefined;
  /** Where it is shown. */
  readonly screen: Screen;
  /** What is printed next begins a line. */
  endLine(): void;
  /** The run has ended. */
  runEnded(report: RunReport, view: RunView): Promise<void>;
}

/** What CI systems want to be told of a run. */
export interface CiWishes {
  /** Whether the runner of GitHub Actions reads what is printed. */
  isOnGitHub: boolean;
  /** The file of the summary, if there is one. */
  summary: string | undefined;
  /** The JUnit file that somebody has asked for. */
  junit: JunitFile | undefined;
}
