/** Takes runs of a directory into a database as they are, so that what reads them can be compared. */
import type { OutputRef, ReceivedRun, RunDocument, RunsRoot, RunView } from "../../run/types.ts";
import { namesIn } from "../_util/files.ts";

const STREAMS = ["capture", "events", "processes", "inbox"] as const;
const DOCUMENTS: readonly RunDocument[] = ["run.json", "flow.json", "trace.json", "capture.json"];

/** Takes a run in, under its own id; `nodes`: the folder of its outputs. */
export async function takeIn(from: RunView, to: RunsRoot, nodes: string): Promise<void> {
  await using received = await to.receive(from.runId);
  for (const stream of STREAMS) {
    const lines: Uint8Array[] = [];
    for await (const line of from.raw(stream)) {
      if (line instanceof Uint8Array) lines.push(line.slice());
    }
    await received.appendLines(stream, lines);
  }
  for (const name of DOCUMENTS) {
    const bytes = await from.document(name);
    if (bytes !== undefined) await received.putDocument(name, bytes);
  }
  for (const name of namesIn(nodes)) await takeOutput(from, received, name);
  await received.commit();
}

/** The ids of the nodes of these tests are what the names of their files begin with. */
async function takeOutput(from: RunView, received: ReceivedRun, name: string): Promise<void> {
  const [, id = "", attempt, stream] = /^(.+)\.(\d+)\.(\w+)$/.exec(name) ?? [];
  const of = { nodeId: decodeURIComponent(id), attempt: Number(attempt) };
  if (stream === "times") {
    await received.putTimes(of, await from.times(of) ?? []);
    return;
  }
  const ref = { ...of, stream: stream as OutputRef["stream"] };
  await received.appendOutput(ref, (await from.output(ref))!);
}
