/** Durable programs for the tests of the command: what one does stands in a plan beside it. */
import { assertEquals } from "@std/assert";
import { listRuns } from "../../eventlog/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { type Ended, start, taffrail } from "./_command.ts";
import type { RunningProcess } from "../_util/process.ts";

/** One thing that a program does. */
export interface Op {
  /** A step, and how often it fails first; `hangs` at its first attempt; `starts` a process that stays. */
  step?: string;
  gives?: unknown;
  /** So many characters instead. */
  big?: number;
  input?: unknown;
  fails?: number;
  message?: string;
  maxRetries?: number;
  hangs?: boolean;
  starts?: boolean;
  /** A folder with a plan of its own, which another such program follows. */
  runs?: string;
  /** Whether the program goes on when it fails. */
  caught?: boolean;
  sleep?: string;
  ms?: number;
  gate?: string;
  /** Whether the value needs a text `by`. */
  wants?: boolean;
  record?: string;
  data?: unknown;
  print?: string;
  /** Says what its input has. */
  reads?: boolean;
  /** Says what a variable is. */
  variable?: string;
  together?: Op[];
}

/** What a program does. */
export interface Plan {
  ops: Op[];
  returns?: unknown;
  name?: string;
  root?: string;
  version?: string;
  /** Its own by default; `null` for none. */
  command?: string[] | null;
  /** Whether it lets go of its run without an end. */
  leaves?: boolean;
  /** Whether it does not open any run. */
  ignores?: boolean;
  /** Its exit code. */
  exits?: number;
}

const PROGRAM = new URL("./_programs/planned.ts", import.meta.url).pathname;

/** The words that start the program. */
export const PROGRAM_COMMAND = [Deno.execPath(), "run", "--allow-all", "--no-lock", PROGRAM];

/** A folder with a program, and its runs. */
export class ProgramFolder {
  constructor(readonly cwd: string) {}

  /** Where its runs are. */
  get root(): string {
    return `${this.cwd}/.taffrail`;
  }

  /** Says what the program does from now on. */
  plan(plan: Plan): void {
    Deno.writeTextFileSync(`${this.cwd}/plan.json`, JSON.stringify(plan));
  }

  /** Starts it. */
  start(plan?: Plan): RunningProcess {
    if (plan !== undefined) this.plan(plan);
    const [program, ...args] = PROGRAM_COMMAND;
    return start(program!, args, { cwd: this.cwd });
  }

  /** Runs it to its end, with nothing to read. */
  async run(plan?: Plan): Promise<Ended> {
    await using running = this.start(plan);
    await running.closeInput();
    return await running.end();
  }

  /** Runs it until it says something, and kills it there; gives all that it has said. */
  async killAt(plan: Plan, said: RegExp): Promise<string> {
    await using running = this.start(plan);
    await running.stdout.find(said);
    running.kill("SIGKILL");
    return (await running.end()).stdout;
  }

  /** Calls the command. */
  taffrail(...args: string[]): Promise<Ended> {
    return taffrail(args, { cwd: this.cwd });
  }

  /** The same of what has to go well; gives what it prints. */
  async tells(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.taffrail(...args);
    assertEquals([code, stderr], [0, ""], stdout);
    return stdout;
  }

  /** Its only run. */
  async runId(): Promise<string> {
    const [runId, ...more] = await listRuns(this.root);
    assertEquals(more, []);
    return runId!;
  }

  /** What its steps have done. */
  effects(): string[] {
    try {
      return Deno.readTextFileSync(`${this.cwd}/effects`).trimEnd().split("\n");
    } catch {
      return [];
    }
  }
}

/** Runs `use` in a folder with a program. */
export function withProgram(use: (program: ProgramFolder) => Promise<void>): Promise<void> {
  return withTempDir((cwd) => use(new ProgramFolder(cwd)));
}
