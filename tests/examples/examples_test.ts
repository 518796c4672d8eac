import { assertEquals, assertMatch } from "@std/assert";
import { HAS_SIGNALS } from "../_util/process.ts";
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
  "04_trace.ts": [
    /^a\.png: ok, of \{.*"payload":\{"file":"a\.png","width":80\}\}$/,
    /^b\.png: ok, of /,
    /^c\.png: error, of /,
    /^ {2}Error: Cannot resize c\.png$/,
    /^ {2}RangeError: it ends after 12 bytes$/,
    /^d\.png: in_flight, of /,
    /^open \.taffrail-examples\/trace\/chrome\.json in https:\/\/ui\.perfetto\.dev or in /,
  ],
  "05_store.ts": [
    /^worker-00000001 is running and has 3 entries$/,
    /^user: What is 6 times 7\? \| system: Think of 6 times 6\.$/,
    /^system: Add 6\.$/,
    /^runtime_started, worker_created, (worker_input_accepted, ){3}worker_stopped$/,
    /^6 events; the store is sound$/,
  ],
  "06_all_five.ts": [
    /^Completed: a\.png in attempt 1, b\.png in attempt 2$/,
    /^worker a\.png#1: stopped, a\.png → completed$/,
    /^worker b\.png#1: stopped, b\.png → failed$/,
    /^worker b\.png#2: stopped, b\.png → completed$/,
    /^step 2 failed: .*"Cannot read b\.png".*"the disk was busy"/,
    /^replayed as recorded: true$/,
    /^look at it: taffrail show --root \.taffrail-examples thumbnails-\w{26}$/,
  ],
  "07_resume.ts": [
    /^pipe\.started$/,
    /^node\.started fetch$/,
    /^node\.completed fetch$/,
    /^node\.started import$/,
    /^killed: SIGKILL$/,
    /^resumed: exit code 0$/,
    /^fetch: attempt 1$/,
    /^import: attempt 1$/,
    /^import: attempt 2$/,
    /^did: fetched, imported$/,
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
  const ignore = name === "07_resume.ts" && !HAS_SIGNALS;
  Deno.test(
    `examples/${name} runs as it says, and prints what it teaches`,
    { ignore },
    async () => {
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
    },
  );
}

Deno.test("every lesson has a test", async () => {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(DIRECTORY)) {
    if (name.endsWith(".ts")) names.push(name);
  }
  assertEquals(names.sort(), Object.keys(LESSONS).sort());
});
