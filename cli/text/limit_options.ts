/** Limits on the command line, for the verbs that ask what others would have done. */
import {
  CONSTRAINT_NAMES,
  type ConstraintName,
  CONSTRAINTS,
  type Constraints,
} from "../../_internal/constraints.ts";
import { durationOfMs } from "../../_internal/event_time.ts";
import type { Duration } from "../../supervisor/types.ts";
import type { OptionAbout } from "./arguments.ts";
import { formatLimit, parseCountOption, parseDurationOption } from "./units.ts";

const LIMITS: Record<ConstraintName, OptionAbout & { value: string }> = {
  max_in_flight: { value: "N", text: "how many nodes may run at a time" },
  max_per_window: { value: "N", text: "how many may start within --rate-window" },
  rate_window: { value: "DURATION", text: "how long that is" },
  deadline: { value: "DURATION", text: "how long an attempt may take" },
  max_retries: {
    value: "N",
    text: 'how many further attempts a failed node gets, where it has no "retry" of its own',
  },
};

/** An option for each limit. */
export const LIMIT_OPTIONS: Readonly<Record<string, OptionAbout & { value: string }>> = Object
  .fromEntries(Object.entries(LIMITS).map(([name, about]) => [optionOf(name), about]));

/** What the help says of their values. */
export const LIMIT_VALUES =
  'N and DURATION may be "none" for no such limit, but for --max-retries. What is left out is as it was.';

/** These options, for who has to be told of them: `--max-in-flight, …`. */
export const LIMIT_NAMES: string = CONSTRAINT_NAMES.map((name) => `--${optionOf(name)}`).join(", ");

function optionOf(name: string): string {
  return name.replaceAll("_", "-");
}

/** The limits that are to be other ones; undefined where none is. */
export function limitsIn(
  options: { readonly [option in string]?: unknown },
): Partial<Constraints> | undefined {
  const given: Record<string, number | Duration | null> = {};
  for (const name of CONSTRAINT_NAMES) {
    const option = optionOf(name);
    const text = options[option];
    if (typeof text !== "string") continue;
    const { kind, isRequired } = CONSTRAINTS[name];
    if (text === "none" && !isRequired) given[name] = null;
    else if (kind === "count") given[name] = parseCountOption(option, text);
    else given[name] = durationOfMs(parseDurationOption(option, text));
  }
  return Object.keys(given).length === 0 ? undefined : given;
}

/** Which limits would be other ones: `max_in_flight 1 → 8`. */
export function limitsText(recorded: Constraints, whatIf: Constraints): string {
  const changed = CONSTRAINT_NAMES.flatMap((name) => {
    const [before, after] = [recorded[name], whatIf[name]].map((limit) => {
      return limit === null ? "none" : formatLimit(limit);
    });
    return before === after ? [] : [`${name} ${before} → ${after}`];
  });
  return changed.length === 0 ? "the limits that it had" : changed.join(", ");
}
