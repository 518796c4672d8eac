import { assertEquals, assertMatch } from "@std/assert";
import { withTempDir } from "../_util/temp.ts";
import { DIRECTORY, runLesson } from "./_lesson.ts";

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
  "10_shrink.ts": [
    /^551 decisions were recorded$/,
    /^without retries 6 attempts would have gone otherwise$/,
    /^ {2}49\.png: Invoke \(admitted\)$/,
    /^ {2}49\.png: Invoke \(retry\)$/,
    /^these 2 are enough, as 18 tests show$/,
    /^kept: retry, would be retries_exhausted$/,
  ],
};

/** The lessons with tests of their own, in `durable_test.ts`. */
const KILLED_LESSONS = ["07_import.ts", "08_compensate.ts", "09_agent.ts"];

for (const [name, expected] of Object.entries(LESSONS)) {
  Deno.test(`examples/${name} runs as it says, and prints what it teaches`, async () => {
    await withTempDir(async (cwd) => {
      const { code, stdout, stderr } = await runLesson(name, cwd);
      assertEquals([code, stderr], [0, ""]);
      const lines = stdout.trimEnd().split("\n");
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
  assertEquals(names.sort(), [...Object.keys(LESSONS), ...KILLED_LESSONS].sort());
});
