import { UsageError } from "../usage_error.ts";
import { CommandInvoker } from "./command_invoker.ts";
import { findPrograms } from "./find_programs.ts";
import type { Flow } from "./flow.ts";
import type { Interrupts } from "./interrupts.ts";

/** How commands are run again. */
export interface ReplayLimits {
  /** The wish of the user to end it. */
  interrupts: Interrupts;
  /** How much of each output is kept, as when it was recorded. */
  maxOutputBytes: number;
  /** The time between SIGTERM and SIGKILL. */
  graceMs: number;
}

/** Runs commands of a recording again, below a directory of its own, and records nothing. */
export class ReplayInvoker extends CommandInvoker implements Disposable {
  readonly #root: string;
  #failure: { of: unknown } | undefined;

  constructor(flow: Flow, { interrupts, ...limits }: ReplayLimits) {
    const programs = findPrograms(flow);
    const root = Deno.makeTempDirSync({ prefix: "taffrail-replay-" });
    super({
      ...limits,
      flow,
      programs,
      root,
      runId: "replay",
      recorder: { nodeStarted: async () => {}, nodeSpawned: async () => {} },
      view: { nodeStarted: () => {}, note: () => {} },
      hurry: interrupts.hurry,
      onFatal: (error) => this.#failure ??= { of: error },
    });
    this.#root = root;
  }

  /** Throws what kept the output of a command from being kept. */
  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.of;
  }

  /** Removes what the commands printed, unless one of them has. */
  [Symbol.dispose](): void {
    try {
      Deno.removeSync(this.#root, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** The values of the variables that a node was given: they are in its flow only. */
export function recordedEnv(
  id: string,
  names: readonly string[],
  flow: Flow | undefined,
): Record<string, string> {
  const env = flow?.nodes.find((node) => node.id === id)?.env ?? {};
  const missing = names.find((name) => env[name] === undefined);
  if (missing === undefined) return env;
  throw new UsageError(
    `Cannot run ${JSON.stringify(id)} again: values of variables are not recorded, ` +
      `and it was given ${missing}; name its flow with --flow`,
  );
}
