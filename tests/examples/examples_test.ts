import { assertEquals, assertMatch } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";

const DIRECTORY = `${import.meta.dirname}/../../examples`;

/** What each lesson prints, line by line. */
const LESSONS: Record<string, RegExp[]> = {
  "01_event_log.ts": [
    /^3 events are on disk$/,
    /^1: a\.csv has 17 rows$/,
    /^2: b0\.csv has 4 rows$/,
    /^3: b1\.csv has 21 rows$/,
    /^42 rows; the log is sound$/,
  ],
  "02_supervisor.ts": [
    /^a\.png: Invoke \(admitted\)$/,
    /^a\.png: Finish \(completed, after "Completed"\)$/,
    /^b\.png: Invoke \(admitted\)$/,
    /^b\.png: Invoke \(retry, after \{"Failed":"NetworkTimeout"\}\)$/,
    /^b\.png: Finish \(completed, after "Completed"\)$/,
    /^c\.png: Invoke \(admitted\)$/,
    /^c\.png: Finish \(completed, after "Completed"\)$/,
    /^d\.png: Defer \(rate_limited\)$/,
    /^d\.png: Invoke \(due\)$/,
    /^d\.png: Finish \(completed, after "Completed"\)$/,
  ],
  "03_capture_and_replay.ts": [
    /^0 events were never decided on$/,
    /^replayed as recorded: true$/,
    /^without retries: changed .* \(event 'b\.png'\): recorded "Invoke", replayed "Finish"$/,
  ],
};

/** The words of the command that stands at the top of a lesson. */
function commandOf(name: string, text: string): string[] {
  const line = /^ \* Run: deno (.*)$/m.exec(text)![1]!;
  const words = line.split(" ");
  assertEquals(words.at(-1), `examples/${name}`);
  return ["run", "--quiet", ...words.slice(1, -1), `${DIRECTORY}/${name}`];
}

for (const [name, expected] of Object.entries(LESSONS)) {
  Deno.test(`examples/${name} runs as it says, and prints what it teaches`, async () => {
    const args = commandOf(name, await Deno.readTextFile(`${DIRECTORY}/${name}`));
    await withTempDir(async (cwd) => {
      const env = { NO_COLOR: "1" };
      const command = new Deno.Command(Deno.execPath(), { args, cwd, env });
      const { code, stdout, stderr } = await command.output();
      const decoder = new TextDecoder();
      assertEquals([code, decoder.decode(stderr)], [0, ""]);
      const lines = decoder.decode(stdout).trimEnd().split("\n");
      for (const [index, pattern] of expected.entries()) assertMatch(lines[index] ?? "", pattern);
      assertEquals(lines.length, expected.length);
    });
  });
}

Deno.test("every lesson has a test", async () => {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(DIRECTORY)) {
    if (name.endsWith(".ts")) names.push(name);
  }
  assertEquals(names.sort(), Object.keys(LESSONS).sort());
});
