/** What CI systems are told of a run that has ended: annotations, the summary of the step, and a JUnit file. */
import { defined } from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunView } from "../../run/types.ts";
import { hostName } from "../process/processes.ts";
import { DisplayAround } from "../display/display_around.ts";
import type { RunPlace } from "../reading/open_root.ts";
import type { RunReport } from "../reading/run_report.ts";
import type { CiWishes, RunDisplay } from "../display/types.ts";
import { annotationsOf } from "./annotations.ts";
import { junitOfRun } from "./junit.ts";
import type { PageData } from "./page_data.ts";
import { readRunData } from "./read_page_data.ts";
import { appendSummary } from "./step_summary.ts";

/** A display that tells CI systems of the end, too. */
export class CiDisplay extends DisplayAround {
  readonly #root: string;
  readonly #wishes: CiWishes;

  /** `root`: what the root is named; `wishes`: what is wanted. */
  constructor(inner: RunDisplay, { root, wishes }: { root: string; wishes: CiWishes }) {
    super(inner);
    this.#root = root;
    this.#wishes = wishes;
  }

  /** Tells it when all else is shown. */
  override async runEnded(report: RunReport, view: RunView): Promise<void> {
    await super.runEnded(report, view);
    await tellCi({ root: this.#root, view }, { display: this.inner, wishes: this.#wishes });
  }
}

/**
 * Tells CI systems of a run that has ended.
 *
 * @throws {Error} If the JUnit file cannot be written; all else that goes wrong is no failure of the run.
 */
export async function tellCi(
  place: RunPlace,
  { display, wishes }: {
    display: Pick<RunDisplay, "screen" | "note" | "endLine">;
    wishes: CiWishes;
  },
): Promise<void> {
  const { junit, summary, isOnGitHub } = wishes;
  let data: PageData;
  try {
    data = await readRunData(place, { failedOnly: true });
  } catch (error) {
    await junit?.failWith(error);
    display.note(`Cannot tell CI what became of the run: ${reasonOf(error)}`);
    return;
  }
  if (isOnGitHub) {
    display.endLine();
    const workspace = Deno.env.get("GITHUB_WORKSPACE") || undefined;
    for (const line of annotationsOf(data, workspace)) display.screen.command(line);
  }
  const problem = summary === undefined ? undefined : appendSummary(summary, data);
  if (problem !== undefined) display.note(problem);
  await junit?.endWith(junitOfRun(data, defined({ host: hostName() })));
}
