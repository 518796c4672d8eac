/** What commands print, in lines that say whose they are: loaded only where that is wanted. */
import type { OutputRef } from "../../run/types.ts";
import type { OutputTaker, PassedOutput } from "../process/output_pump.ts";
import { LineSplitter, OutputLabels, type OutputLine } from "../text/output_lines.ts";
import type { Screen } from "../text/screen.ts";

/** Passes on what commands print in whole lines, each behind its node, so that several commands may print at once. */
export class LabelledOutput implements PassedOutput {
  /** What would steer a terminal is taken out. */
  readonly isRaw = false;
  /** What cannot be written is told with all else that is printed. */
  readonly hasLost = false;
  /** There are only whole lines. */
  isInLine = false;
  readonly #screens: { out: Screen; err: Screen };
  readonly #labels: { out: OutputLabels; err: OutputLabels };

  /** `screens`: what it is printed to; `nodeIds`: all that there may be. */
  constructor(screens: { out: Screen; err: Screen }, nodeIds: readonly string[]) {
    this.#screens = screens;
    this.#labels = {
      out: new OutputLabels(screens.out, nodeIds),
      err: new OutputLabels(screens.err, nodeIds),
    };
  }

  /** Takes one output of an attempt. */
  to({ nodeId, attempt, stream: kind }: OutputRef): OutputTaker {
    const stream = kind === "out" ? kind : "err";
    const splitter = new LineSplitter();
    const print = async (lines: Iterable<OutputLine>) => {
      const texts = Array.from(lines, ({ bytes }) => {
        return this.#labels[stream].line({ nodeId, attempt, stream }, bytes);
      });
      if (texts.length === 0 || await this.#print(stream, texts)) return;
      return "close" as const;
    };
    return {
      take: (chunk) => print(splitter.lines(chunk)),
      end: async () => void await print(splitter.end()),
    };
  }

  /** Returns whether somebody reads it. */
  #print(stream: "out" | "err", lines: readonly string[]): Promise<boolean> {
    const { out } = this.#screens;
    // Both may be the same terminal: nothing is written behind the line that stands below all.
    const status = stream === "err" ? out.takeStatus() : "";
    const written = this.#screens[stream].lines(lines);
    if (status !== "") out.status(status);
    return written;
  }
}
