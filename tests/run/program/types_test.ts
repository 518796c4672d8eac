/** What the compiler knows of results and inputs: this file is checked with the rest, and runs too. */
import { assertEquals } from "@std/assert";
import {
  durable,
  type OpenRunOptions,
  passGate,
  type Run,
  type StepContext,
  type StepOptions,
} from "../../../run/mod.ts";
import type { StandardSchema } from "../../../eventlog/mod.ts";
import { withMemoryDir } from "../../_util/temp.ts";

/** Fails to compile where the two types are not the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

function same<A, B>(_: Same<A, B>): void {}

const dates: StandardSchema<Date> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      return typeof value === "string"
        ? { value: new Date(value) }
        : { issues: [{ message: "no date" }] };
    },
  },
};

async function program(run: Run) {
  const text = await run.step("text", () => "a");
  same<typeof text, string>(true);

  const list = await run.step("list", async () => {
    await Promise.resolve();
    return [{ n: 1 }];
  });
  same<typeof list, { n: number }[]>(true);

  const nothing = await run.step("nothing", () => {});
  same<typeof nothing, void>(true);

  const given = await run.step("given", ({ input, attempt, signal, env, stepId, runId }) => {
    same<typeof input, { file: string }>(true);
    same<
      [typeof attempt, typeof signal, typeof stepId, typeof runId],
      [number, AbortSignal, string, string]
    >(true);
    same<typeof env, Readonly<Record<string, string>>>(true);
    return input.file.length;
  }, { input: { file: "a.csv" }, retry: { maxRetries: 1, if: (error) => error instanceof Error } });
  same<typeof given, number>(true);

  const bare = await run.step("bare", ({ input }) => {
    same<typeof input, undefined>(true);
    return input === undefined;
  });
  same<typeof bare, boolean>(true);

  const checked = await run.step("checked", () => new Date(0).toISOString(), { schema: dates });
  same<typeof checked, Date>(true);

  const both = await run.step("both", ({ input }) => {
    same<typeof input, { at: string }>(true);
    return input.at;
  }, { schema: dates, input: { at: new Date(1).toISOString() } });
  same<typeof both, Date>(true);

  const work = (context: StepContext<number>): number => context.input * 2;
  const options: StepOptions<number> = { input: 21 };
  const named = await run.step("named", work, options);
  same<typeof named, number>(true);

  const said = await run.step<{ status: 200 }>("said", () => ({ status: 200 }));
  same<typeof said, { status: 200 }>(true);

  const unknown = await run.waitFor("unknown");
  same<typeof unknown, unknown>(true);
  const by = await run.waitFor<{ by: string }>("by");
  same<typeof by, { by: string }>(true);
  const date = await run.waitFor("date", { schema: dates });
  same<typeof date, Date>(true);

  const all = await Promise.all(["a", "b"].map((file) => run.step(file, () => file.length)));
  same<typeof all, number[]>(true);

  same<ReturnType<typeof run.sleep>, Promise<void>>(true);
  same<ReturnType<typeof run.record>, Promise<void>>(true);
  return { text, both, date };
}

/** What the compiler refuses; it never runs. */
export async function refused(run: Run, options: OpenRunOptions): Promise<void> {
  // @ts-expect-error: a result is used as what it is not
  const number: number = await run.step("a", () => "text");
  // @ts-expect-error: an input has no such member
  await run.step("b", ({ input }) => input.gone, { input: { file: "a" } });
  // @ts-expect-error: there is no input
  await run.step("c", ({ input }) => input.file);
  // @ts-expect-error: there is no such option of retry
  await run.step("d", () => 1, { retry: { max: 3 } });
  // @ts-expect-error: there is no such option
  await run.step("e", () => 1, { timeout: 3 });
  // @ts-expect-error: no function
  await run.step("f", 7);
  // @ts-expect-error: a schema gives a date
  const text: string = await run.step("g", () => "", { schema: dates });
  // @ts-expect-error: no time
  await run.sleep("h", "1s");
  // @ts-expect-error: no schema
  await run.waitFor("i", { schema: (value: unknown) => value });
  // @ts-expect-error: no object
  await run.submit("j", 7);
  // @ts-expect-error: a name is needed
  await durable({ root: options.root }, () => 1);
  // @ts-expect-error: there is no such way to go on
  await durable({ ...options, resume: "oldest" }, () => 1);
  // @ts-expect-error: the context cannot be changed
  await run.step("k", (context) => context.attempt = 7);
  // @ts-expect-error: a program is given the run
  await durable(options, (run: string) => run);
  await Promise.resolve([number, text]);
}

Deno.test("results, inputs, and what schemas make of values are inferred, and are that", () =>
  withMemoryDir(async (root) => {
    const options: OpenRunOptions = { root, name: "demo", runId: "demo-1" };
    const result = await durable(options, async (run) => {
      await passGate(root, run.runId, "unknown");
      await passGate(root, run.runId, "by", { value: { by: "ada" } });
      await passGate(root, run.runId, "date", { value: new Date(2).toISOString() });
      const { text, both, date } = await program(run);
      return { text, times: [both.getTime(), date.getTime()] };
    });
    same<typeof result, { text: string; times: number[] }>(true);
    assertEquals(result, { text: "a", times: [1, 2] });
    const none = await durable({ root, name: "none" }, () => {});
    same<typeof none, void>(true);
  }));
