/**
 * Lesson 7: a program that survives being killed. 200 files are imported, ten at a time and at most
 * forty in half a second, and what fails in passing is tried again. Kill it with Ctrl-C, or from
 * elsewhere with `kill -9`, and start it again: it goes on, and what was recorded is not done again.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples examples/07_import.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { durable } from "@taffrail/taffrail/run";

const root = ".taffrail-examples";
const folder = `${root}/import`;
await Deno.mkdir(`${folder}/rows`, { recursive: true });

/** Your source goes here; this one makes files of its own. */
async function listFiles(): Promise<string[]> {
  const files = Array.from({ length: 200 }, (_, index) => `${String(index).padStart(3, "0")}.csv`);
  for (const [index, file] of files.entries()) {
    await Deno.writeTextFile(`${folder}/${file}`, "date,amount\n".repeat(index % 7));
  }
  return files;
}

async function importFile(file: string, attempt: number): Promise<number> {
  // As sources are: now and then one is busy.
  if (file.endsWith("9.csv") && attempt === 1) throw new Error(`${file} is busy`);
  const rows = (await Deno.readTextFile(`${folder}/${file}`)).split("\n").length - 1;
  // Killed behind this line the step runs again, so what it does has to come to the same: as here, where
  // it writes a file of one name, or as by an "insert … on conflict do update" into a database.
  await Deno.writeTextFile(`${folder}/rows/${file}.json`, JSON.stringify({ file, rows }));
  return rows;
}

let begun = 0;
const result = await durable({
  root,
  name: "import",
  resume: "newest", // One that has not completed is gone on with; else a new one begins.
  constraints: {
    max_in_flight: 10,
    max_per_window: 40,
    rate_window: { secs: 0, nanos: 500_000_000 },
  },
}, async (run) => {
  const files = await run.step("list", listFiles);
  // Ask for all at once: how many run beside each other, and how fast, is for the constraints.
  const rows = await Promise.all(
    files.map((file) =>
      run.step(`import ${file}`, ({ attempt }) => {
        if (++begun % 50 === 0) console.log(`${begun} files`);
        return importFile(file, attempt);
      }, { retry: { maxRetries: 3, delayMs: 100, factor: 2 }, timeoutMs: 10_000 })
    ),
  );
  return { runId: run.runId, files: files.length, rows: rows.reduce((sum, n) => sum + n, 0) };
});
console.log(`${result.files} files have ${result.rows} rows`);
console.log(`look at it: taffrail show --root ${root} ${result.runId}`);
