/** The proof that the contract suite catches roots that break it. */
import { assert, assertEquals } from "@std/assert";
import { runPaths } from "../../_internal/root_layout.ts";
import { openFileRoot } from "../../run/mod.ts";
import type { HeldRun, InboxMessage } from "../../run/types.ts";
import { runsRootContract } from "../../testing/mod.ts";
import { withMemoryDir } from "../_util/temp.ts";
import { holderCommand } from "../run/file_root/_holder.ts";
import { changed, type Mistake, withMistake } from "./_mistakes.ts";

let posts = 0;
const documentsHad = new Set<string>();

async function* untilFirstEnd<T extends { seq: number }>(
  items: AsyncIterable<T>,
): AsyncGenerator<T, void> {
  for await (const item of items) {
    yield item;
    if (item.seq === 2) return;
  }
}
const heldBefore = new Map<string, HeldRun>();

const mistakes: Record<string, Mistake> = {
  "it lists runs in any order": {
    rule: "in the order of their ids",
    root: (root) => ({
      list: async (options) => {
        const { runs, ...rest } = await root.list(options);
        return { runs: runs.toReversed(), ...rest };
      },
    }),
  },
  "it lists all runs whichever are chosen": {
    rule: "of the runs that are chosen",
    root: (root) => ({ list: ({ runIds: _, ...options } = {}) => root.list(options) }),
  },
  "it tells nothing of sizes": {
    rule: "of a run what is asked for",
    root: (root) => ({
      list: async (options) => {
        const { runs, ...rest } = await root.list(options);
        return { runs: runs.map(({ size: _, ...run }) => run), ...rest };
      },
    }),
  },
  "it takes the first line for the last one": {
    rule: "the last line of a stream",
    view: (view) => ({
      lastLine: async (stream) => (await view.lines(stream)).events[0]?.event,
    }),
  },
  "it finds documents that were removed": {
    rule: "which documents a run has",
    view: (view) => ({
      has: async (name) => {
        if (await view.has(name)) documentsHad.add(`${view.runId} ${name}`);
        return documentsHad.has(`${view.runId} ${name}`);
      },
    }),
  },
  "it follows a run only to its first end": {
    rule: "followed to its end",
    view: (view) => ({
      events: {
        read: (options) => view.events.read(options),
        lastSeq: () => view.events.lastSeq(),
        follow: (options) => untilFirstEnd(view.events.follow(options)),
      },
    }),
  },
  "it says nothing of missing runs": {
    rule: "a new root has no runs",
    view: (view) => ({ size: () => view.size().catch(() => 0) }),
  },
  "it takes in what it can read": {
    rule: "its damaged lines too",
    root: (root) => ({
      receive: async (runId) => {
        const received = await root.receive(runId);
        const isText = (line: Uint8Array) => !line.includes(0);
        return changed(received, {
          appendLines: (stream, lines) => received.appendLines(stream, lines.filter(isText)),
        });
      },
    }),
  },
  "it says that it keeps what was left of a line, and does not": {
    rule: "what a killed writer has left of a line",
    root: (root) => ({
      receive: async (runId) => {
        return changed(await root.receive(runId), { putTail: () => Promise.resolve(true) });
      },
    }),
  },
  "it keeps what was taken in by half": {
    rule: "none before it is whole",
    root: (root) => ({
      receive: async (runId) => {
        const received = await root.receive(runId);
        return changed(received, {
          [Symbol.asyncDispose]: () => received.commit().catch(() => {}),
        });
      },
    }),
  },
  "it takes in a run in place of another": {
    rule: "takes the place of no other",
    root: (root) => ({
      receive: async (runId) => {
        const received = await root.receive(runId);
        return changed(received, {
          commit: async () => {
            await root.remove(runId).catch(() => {});
            await received.commit();
          },
        });
      },
    }),
  },
  "it begins a run again": {
    rule: "of those who begin one run",
    root: (root) => ({
      create: (options) => root.create(options).catch(() => root.hold(options.runId ?? "")),
    }),
  },
  "it appends later": {
    rule: "in the order of the calls",
    held: (held) => ({
      append: async (lines) => {
        if (lines.processes === undefined) await crypto.subtle.digest("SHA-256", new Uint8Array());
        await held.append(lines);
      },
    }),
  },
  "it appends twice what it is not sure of": {
    rule: "in the order of the calls",
    held: (held) => ({
      append: async (lines) => {
        await held.append(lines);
        if (lines.processes !== undefined) await held.append({ processes: lines.processes });
      },
    }),
  },
  "it splits texts at newlines": {
    rule: "a text with a newline is no line",
    held: (held) => ({
      append: ({ capture = [], ...lines }) =>
        held.append({ ...lines, capture: capture.flatMap((text) => text.split("\n")) }),
    }),
  },
  "it writes documents where they are": {
    rule: "replaced as a whole",
    held: (held, root) => ({
      putDocument: async (name, bytes) => {
        if (bytes === undefined || name !== "flow.json") return await held.putDocument(name, bytes);
        const path = runPaths(root.name, held.view.runId).flow;
        using file = await Deno.open(path, { write: true, create: true, truncate: true });
        for (let at = 0; at < bytes.length; at += 100_000) {
          await file.write(bytes.subarray(at, at + 100_000));
        }
      },
    }),
  },
  "it keeps documents that are to be removed": {
    rule: "documents are kept, replaced and removed",
    held: (held) => ({
      putDocument: async (name, bytes) => {
        if (bytes !== undefined) await held.putDocument(name, bytes);
      },
    }),
  },
  "it takes each message as a new one": {
    rule: "sent again is there once",
    root: (root) => ({
      post: (runId, message) =>
        root.post(runId, { ...message, op: `${message.op}-${posts++}` } as InboxMessage),
    }),
  },
  "it takes messages for nobody": {
    rule: "a new root has no runs",
    root: (root) => ({ post: (runId, message) => root.post(runId, message).catch(() => {}) }),
  },
  "it makes a key whenever it is asked": {
    rule: "a root has one key",
    root: () => ({
      digestKey: () =>
        Promise.resolve({ id: "1", key: crypto.getRandomValues(new Uint8Array(32)) }),
    }),
  },
  "it removes a run under its holder": {
    rule: "not removed under its holder",
    root: (root) => ({
      remove: async (runId) =>
        await Deno.remove(runPaths(root.name, runId).directory, {
          recursive: true,
        }),
    }),
  },
  "it keeps what was left for a run that is removed": {
    rule: "its id is free",
    root: (root) => ({
      remove: async (runId) => {
        const { inbox, directory } = runPaths(root.name, runId);
        await Deno.writeTextFile(inbox, "{}\n");
        for await (const { name } of Deno.readDir(directory)) {
          if (name === "inbox.jsonl") continue;
          await Deno.remove(`${directory}/${name}`, { recursive: true });
        }
      },
    }),
  },
  "it finds an empty output where there is none": {
    rule: "without a byte nothing is made",
    view: (view) => ({
      output: async (of, range) => await view.output(of, range) ?? new Uint8Array(),
    }),
  },
  "it reads one byte too few": {
    rule: "read by ranges",
    view: (view) => ({
      output: (of, range) =>
        view.output(
          of,
          range !== undefined && "from" in range ? { ...range, length: range.length - 1 } : range,
        ),
    }),
  },
  "it keeps the beginning only": {
    rule: "the first and the last half",
    held: (held) => ({
      openOutput: (of, { maxBytes }) => {
        let left = maxBytes;
        const sink = held.openOutput(of, { maxBytes: maxBytes * 2 });
        return changed(sink, {
          write: (chunk, atMs) => {
            sink.write(chunk.subarray(0, left), atMs);
            left -= Math.min(left, chunk.length);
          },
        });
      },
    }),
  },
  "it takes nodes whose ids differ in case for one": {
    rule: "told apart",
    held: (held) => ({
      openOutput: (of, options) =>
        held.openOutput({ ...of, nodeId: of.nodeId.toLowerCase() }, options),
    }),
    view: (view) => ({
      output: (of, range) => view.output({ ...of, nodeId: of.nodeId.toLowerCase() }, range),
    }),
  },
  "it adds to what an earlier attempt of the number gave": {
    rule: "the newer one counts",
    held: (held) => ({
      openOutput: (of, options) => {
        const sink = held.openOutput(of, options);
        const older = held.view.output(of);
        return changed(sink, {
          close: async (how) => {
            const bytes = await older;
            if (bytes !== undefined) sink.write(bytes, 0);
            return await sink.close(how);
          },
        });
      },
    }),
  },
  "it keeps the times of each output apart": {
    rule: "in which order outputs came",
    view: (view) => ({
      times: async (of) =>
        (await view.times(of))?.toSorted((one, other) => one.stream < other.stream ? -1 : 1),
    }),
  },
  "it lets two hold a run": {
    rule: "a run is held alone",
    root: (root) => ({
      create: async (options) => {
        const held = await root.create(options);
        heldBefore.set(held.view.runId, held);
        return held;
      },
      hold: (runId, options) =>
        root.hold(runId, options).catch((error) => heldBefore.get(runId) ?? Promise.reject(error)),
    }),
  },
  "it gives each holder the same token": {
    rule: "what a former holder sends is refused",
    held: () => ({ token: 1n }),
  },
  "it takes what a former holder sends": {
    rule: "what a former holder sends is refused",
    held: (held) => ({ append: (lines) => held.append(lines).catch(() => {}) }),
  },
  "it does not wait for who holds a run": {
    rule: "held by whoever waits",
    root: (root) => ({ hold: (runId) => root.hold(runId, { timeoutMs: 0 }) }),
  },
  "it thinks that a dead holder lives": {
    rule: "free when its holder dies",
    root: (root) => ({
      hold: async (runId, options) => {
        const holder = await root.view(runId).holder();
        const { events } = await root.view(runId).events.read();
        if (holder === undefined && events.length > 0) {
          throw Object.assign(new Error("held"), { kind: "live" });
        }
        return await root.hold(runId, options);
      },
    }),
  },
};

/** The names of the rules, of those whose name includes `part`, that a root breaks. */
async function brokenRules(part: string, mistake: Partial<Mistake>): Promise<string[]> {
  const tests = runsRootContract(
    (use) =>
      withMemoryDir(async (path) => {
        const held: HeldRun[] = [];
        const keeping: Partial<Mistake> = {
          ...mistake,
          held: (one, root) => {
            held.push(one);
            return mistake.held?.(one, root) ?? {};
          },
        };
        try {
          await use({
            open: () => withMistake(openFileRoot(path), keeping),
            holder: (runId) => holderCommand(path, runId),
          });
        } finally {
          await Promise.allSettled(held.map((one) => one[Symbol.asyncDispose]()));
        }
      }),
    { rounds: 5 },
  );
  const broken: string[] = [];
  for (const { name, fn } of tests.filter(({ name }) => name.includes(part))) {
    await fn().catch(() => broken.push(name));
  }
  return broken;
}

Deno.test("runsRootContract() finds nothing wrong with a root that only passes on", async () => {
  assertEquals(await brokenRules("", {}), []);
});

for (const [what, mistake] of Object.entries(mistakes)) {
  Deno.test(`runsRootContract() catches a root when ${what}`, async () => {
    const [broken] = await brokenRules(mistake.rule, mistake);
    assert(broken?.includes(mistake.rule), `"${mistake.rule}" is kept`);
  });
}
