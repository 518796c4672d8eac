/**
 * Lesson 7: a run outlives its process. The command is killed in the middle of a flow, and goes on
 * with it afterwards: what had completed does not run again. For Linux and macOS, as it needs `sh`.
 *
 * Run: deno run --allow-read=.taffrail-examples --allow-write=.taffrail-examples --allow-run examples/07_resume.ts
 */
// deno-lint-ignore-file no-console -- an example prints
import { followRun, isKnownRunEvent, readRun } from "@taffrail/taffrail/eventlog";

const directory = `.taffrail-examples/resume-${crypto.randomUUID()}`;
await Deno.mkdir(directory, { recursive: true });
const flow = {
  name: "nightly",
  nodes: {
    fetch: { run: ["sh", "-c", "echo fetched >> did.txt"] },
    // The first attempt hangs, so that there is a middle to be killed in.
    import: {
      run: ["sh", "-c", "test $TAFFRAIL_ATTEMPT != 1 || exec sleep 60; echo imported >> did.txt"],
      needs: ["fetch"],
    },
  },
};
await Deno.writeTextFile(`${directory}/flow.json`, JSON.stringify(flow));

function taffrail(...args: string[]): Deno.Command {
  const command = import.meta.resolve("@taffrail/taffrail/cli");
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", command, ...args],
    cwd: directory,
    stdout: "piped",
  });
}

const child = taffrail("run", "--root", ".taffrail", "flow.json").spawn();
let printed = "";
for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
  printed += text;
  if (printed.includes("✓ fetch")) break;
}
const runId = /^run_id=(.*)$/m.exec(printed)![1]!;

// Anybody may follow the log while the run is at work.
const root = `${directory}/.taffrail`;
for await (const item of followRun(root, runId)) {
  if (!("event" in item) || !isKnownRunEvent(item.event)) continue;
  const { event } = item;
  console.log("node_id" in event ? `${event.type} ${event.node_id}` : event.type);
  if (event.type === "node.started" && event.node_id === "import") break;
}
child.kill("SIGKILL"); // No handler sees this: it could as well be a power cut.
console.log(`killed: ${(await child.status).signal}`);

// What the dead process had started is ended first, so that nothing runs twice at once.
const { code } = await taffrail("resume", "--root", ".taffrail", runId).output();
console.log(`resumed: exit code ${code}`);

for await (const { events } of readRun(root, runId)) {
  for (const { event } of events) {
    if (!isKnownRunEvent(event) || event.type !== "node.started") continue;
    console.log(`${event.node_id}: attempt ${event.attempt}`);
  }
}
const did = (await Deno.readTextFile(`${directory}/did.txt`)).trimEnd().split("\n");
console.log(`did: ${did.join(", ")}`);
