/**
 * A durable program that does what `plan.json` in its folder says, so that a test can change it between two
 * starts. What its steps do stands in `effects`, a line each.
 */
import { durable, openRun, type Run } from "../../../run/mod.ts";
import type { Op, Plan } from "../_program.ts";

const plan: Plan = JSON.parse(await Deno.readTextFile("plan.json"));
const own = [Deno.execPath(), "run", "--allow-all", "--no-lock", import.meta.filename!];
const command = plan.command === undefined ? own : plan.command;

function say(text: string): void {
  // deno-lint-ignore no-console -- the test reads it
  console.log(text);
}

function textOf(by: unknown) {
  const validate = (value: unknown) => {
    const isText = typeof (value as { by?: unknown } | undefined)?.by === "string";
    return isText ? { value: value as { by: string } } : { issues: [{ message: "by is no text" }] };
  };
  return by === true
    ? { schema: { "~standard": { version: 1 as const, vendor: "t", validate } } }
    : {};
}

async function step(run: Run, op: Op & { step: string }): Promise<unknown> {
  const { step: id, input, maxRetries } = op;
  const options = {
    ...(input !== undefined && { input }),
    ...(maxRetries !== undefined && { retry: { maxRetries } }),
  };
  return await run.step(id, async ({ attempt, env, signal }) => {
    await Deno.writeTextFile("effects", `${id} ${attempt}\n`, { append: true });
    if (op.starts) {
      const args = ["-c", "echo started; exec sleep 600"];
      // Nothing of the program's own is held open by it.
      const child = new Deno.Command("sh", {
        args,
        env,
        stdin: "null",
        stdout: "piped",
        stderr: "null",
        detached: true,
      }).spawn();
      await child.stdout.getReader().read();
      child.unref();
      say(`started ${child.pid}`);
    }
    if (op.runs !== undefined) {
      const [program, ...args] = own;
      const streams = { stdout: "inherit", stderr: "null" } as const;
      const inner = new Deno.Command(program!, { args, env, cwd: op.runs, ...streams }).spawn();
      return (await inner.status).code;
    }
    if (op.hangs && attempt === 1) {
      say(`hangs ${Deno.pid}`);
      await new Promise((_, reject) => {
        const timer = setInterval(() => {}, 60_000);
        signal.addEventListener("abort", () => {
          clearInterval(timer);
          reject(signal.reason);
        });
      });
    }
    if (attempt <= (op.fails ?? 0)) {
      const error = new RangeError(op.message ?? "busy", { cause: new Error("socket hang up") });
      throw Object.assign(error, { code: "EBUSY", kind: "busy" });
    }
    return op.big === undefined ? op.gives : "x".repeat(op.big);
  }, options);
}

async function act(run: Run, op: Op): Promise<void> {
  if (op.step !== undefined) {
    const done = step(run, { ...op, step: op.step });
    await (op.caught ? done.catch(() => {}) : done);
  } else if (op.sleep !== undefined) await run.sleep(op.sleep, op.ms ?? 0);
  else if (op.gate !== undefined) {
    const value = await run.waitFor(op.gate, { ...textOf(op.wants) });
    say(`passed ${JSON.stringify(value)}`);
  } else if (op.record !== undefined) await run.record(op.record, op.data);
  else if (op.print !== undefined) say(op.print);
  else if (op.variable !== undefined) say(`${op.variable}=${Deno.env.get(op.variable)}`);
  else if (op.reads) {
    const [line] = await Array.fromAsync(Deno.stdin.readable.pipeThrough(new TextDecoderStream()));
    say(`read ${line}`);
  } else if (op.together !== undefined) await Promise.all(op.together.map((op) => act(run, op)));
}

async function main(): Promise<number> {
  const { name = "order", root = ".taffrail", version, exits = 0 } = plan;
  if (plan.ignores) return exits;
  const options = {
    root,
    name,
    resume: "newest" as const,
    ...(version !== undefined && { version }),
    ...(command !== null && { command }),
  };
  const actAll = async (run: Run) => {
    say(`run_id=${run.runId}`);
    for (const op of plan.ops) await act(run, op);
    return plan.returns;
  };
  if (plan.leaves) {
    await using run = await openRun(options);
    await actAll(run);
    return exits;
  }
  try {
    await durable(options, actAll);
    return exits;
  } catch (error) {
    say(`threw ${(error as Error).message}`);
    return exits || 1;
  }
}

Deno.exit(await main());
