/** Runs the `taffrail` command as its users do. */
import { type Ended, RunningProcess, type StartOptions } from "../_util/process.ts";
import { Resident } from "./_resident.ts";

export { type Ended, HAS_SIGNALS, type RunningProcess } from "../_util/process.ts";

/** The entry of the command: its source, or the bundle that `TAFFRAIL_TEST_COMMAND` names. */
export const MAIN = Deno.env.get("TAFFRAIL_TEST_COMMAND") ??
  `${import.meta.dirname}/../../cli/main.ts`;

/** How the command is started. */
export interface CommandOptions extends StartOptions {
  cwd: string;
  /** A shell command that starts what stands in `"$@"`, such as `ulimit -f 1; exec "$@"`. */
  shell?: string;
}

/**
 * Tests may be commands of a run themselves: what they record belongs where they are. They may run on GitHub Actions,
 * and what they print there is not for its runner.
 */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  NO_COLOR: "1",
  TAFFRAIL_ROOT: "",
  GITHUB_ACTIONS: "",
  GITHUB_STEP_SUMMARY: "",
};

/** Verbs that start nothing and wait for nothing. */
const QUIET_VERBS = new Set(
  [
    "diff",
    "logs",
    "ls",
    "prune",
    "repair",
    "replay",
    "report",
    "show",
    "shrink",
    "trace",
    "verify",
    "what-if",
  ],
);

const resident = new Resident(MAIN, ENVIRONMENT);

/** Starts any program. */
export function start(program: string, args: string[], options: StartOptions): RunningProcess {
  const env = { ...ENVIRONMENT, ...options.env };
  return new RunningProcess([program, ...args], { ...options, env });
}

/** The words that start `taffrail`. */
export function taffrailCommand(args: string[]): string[] {
  return [Deno.execPath(), "run", "--allow-all", "--no-lock", MAIN, ...args];
}

/** Starts `taffrail`. */
export function startTaffrail(args: string[], options: CommandOptions): RunningProcess {
  const command = taffrailCommand(args);
  const [program, ...rest] = options.shell === undefined
    ? command
    : ["sh", "-c", options.shell, "sh", ...command];
  return start(program!, rest, options);
}

/** Starts a run that is at work until its input ends. */
export async function startAtWork(
  cwd: string,
): Promise<{ running: RunningProcess; runId: string }> {
  const running = startTaffrail(["exec", "--", "cat"], { cwd });
  try {
    const runId = (await running.stderr.find(/^run_id=/)).slice("run_id=".length);
    await running.write("begun\n");
    await running.stdout.find(/^begun$/);
    return { running, runId };
  } catch (error) {
    await running[Symbol.asyncDispose]();
    throw error;
  }
}

/** Leaves a run without an end, and gives its id. */
export async function recordAndKill(cwd: string): Promise<string> {
  const { running, runId } = await startAtWork(cwd);
  await using _ = running;
  running.kill("SIGKILL");
  await running.end();
  return runId;
}

/** Does what starts nothing and waits for nothing, such as help and refusals, without a new process. */
export function ask(args: string[], cwd: string): Promise<Ended> {
  return resident.ask({ args, cwd });
}

/**
 * Runs `taffrail` with nothing to read, to its end: in a process of its own, unless it is a verb to
 * which that makes no difference.
 */
export async function taffrail(args: string[], options: CommandOptions): Promise<Ended> {
  const { cwd, ...others } = options;
  const isQuiet = QUIET_VERBS.has(args[0] ?? "") && Object.keys(others).length === 0;
  if (isQuiet) return await ask(args, cwd);
  await using command = startTaffrail(args, options);
  await command.closeInput();
  return await command.end();
}
