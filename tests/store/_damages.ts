import type { StoreProblem, StoreProblemKind } from "../../store/check/store_problem.ts";
import { appendTo, readText, write } from "../_util/files.ts";
import {
  GOLDEN_EVENTS,
  GOLDEN_FIRST_WORKER,
  GOLDEN_RUNTIME,
  GOLDEN_SECOND_WORKER,
  GOLDEN_TRANSCRIPT,
} from "./_golden.ts";
import { directoryNameOf } from "./_wire.ts";

/** Everything that can be wrong with the golden runtime of spec 4.2: how it is made, and what is to be found. */

export const FIRST = `workers/${directoryNameOf("worker-00000001")}`;
export const SECOND = `workers/${directoryNameOf("worker-00000002")}`;
const THIRD = `workers/${directoryNameOf("worker-00000003")}`;
const EVENT_LINES = GOLDEN_EVENTS.split(/(?<=\n)/);

/** The directory of the runtime, or something in it. */
export function goldenPath(root: string, name = ""): string {
  return `${root}/runtimes/${directoryNameOf("rt-1")}${name && `/${name}`}`;
}

/** Writes the golden runtime, as the seed's program leaves it. */
export function writeGoldenStore(root: string): void {
  for (const directory of [FIRST, SECOND]) {
    Deno.mkdirSync(goldenPath(root, directory), { recursive: true });
  }
  write(goldenPath(root, "runtime.json"), GOLDEN_RUNTIME);
  write(goldenPath(root, "events.jsonl"), GOLDEN_EVENTS);
  write(goldenPath(root, `${FIRST}/worker.json`), GOLDEN_FIRST_WORKER);
  write(goldenPath(root, `${FIRST}/transcript.jsonl`), GOLDEN_TRANSCRIPT);
  write(goldenPath(root, `${SECOND}/worker.json`), GOLDEN_SECOND_WORKER);
  write(goldenPath(root, `${SECOND}/transcript.jsonl`), "");
}

/** A problem, in short: its kind, its file, and its line if it has one. */
export type Told = [kind: StoreProblemKind, file: string, line?: number];

/** One way to damage the golden runtime. */
export interface Damage {
  make: (path: (name?: string) => string) => void;
  /** What `verifyStore` finds, in any order. */
  found: Told[];
  /** What is left after `repairStore`, of that or newly; nothing without it. */
  left?: Told[];
}

function edit(path: string, from: string | RegExp, to: string): void {
  const before = readText(path);
  const after = before.replace(from, to);
  if (after === before) throw new Error(`Nothing was changed in ${path}`);
  write(path, after);
}

/** A problem as the table has it. */
export function toldOf(root: string, { kind, path, line }: StoreProblem): Told {
  const base = `${goldenPath(root)}/`;
  const file = path.startsWith(base)
    ? path.slice(base.length)
    : path === goldenPath(root)
    ? "."
    : path.slice(`${root}/`.length);
  return line === undefined ? [kind, file] : [kind, file, line];
}

const OUT_OF_ORDER: Told[] = [
  ["gap", "events.jsonl", 1],
  ["order", "events.jsonl", 2],
  ["duplicate", "events.jsonl", 3],
];
const LOST_FIRST: Told[] = [["lost", "workers"]];

/** The damages by name. */
export const damagesOfGolden: Record<string, Damage> = {
  "nothing": { make: () => {}, found: [] },
  "a stub of an event (W-FRS-2)": {
    make: (path) => appendTo(path("events.jsonl"), '{"id":6,"kind":{"ki'),
    found: [["torn", "events.jsonl", 6]],
  },
  "a stub of an entry": {
    make: (path) => appendTo(path(`${SECOND}/transcript.jsonl`), '{"seq'),
    found: [["torn", `${SECOND}/transcript.jsonl`, 1]],
  },
  "an event without its newline (W-FRS-5)": {
    make: (path) => write(path("events.jsonl"), GOLDEN_EVENTS.trimEnd()),
    found: [["no-newline", "events.jsonl", 5]],
  },
  "a blank line": {
    make: (path) => write(path("events.jsonl"), `\n${GOLDEN_EVENTS}`),
    found: [["blank", "events.jsonl", 1]],
  },
  "NULs before an event": {
    make: (path) => edit(path("events.jsonl"), '{"id":3', '\0\0\0{"id":3'),
    found: [["nul-run", "events.jsonl", 3]],
  },
  "bytes that are no UTF-8": {
    make: (path) => {
      const bytes = new TextEncoder().encode(GOLDEN_EVENTS);
      bytes[GOLDEN_EVENTS.indexOf("runtime started")] = 0xff;
      write(path("events.jsonl"), bytes);
    },
    found: [["not-utf8", "events.jsonl", 1], ["gap", "events.jsonl", 2]],
    left: [["gap", "events.jsonl", 1]],
  },
  "a line that is no JSON": {
    make: (path) => edit(path("events.jsonl"), /^/, "oops\n"),
    found: [["not-json", "events.jsonl", 1]],
  },
  "a line that is JSON of another shape": {
    make: (path) => edit(path("events.jsonl"), /^/, '{"id":"1"}\n'),
    found: [["record", "events.jsonl", 1]],
  },
  "a line with a member twice": {
    make: (path) => edit(path("events.jsonl"), '"id":1,', '"id":1,"id":1,'),
    found: [["record", "events.jsonl", 1]],
    left: [["record", "events.jsonl", 1]],
  },
  "a line over 16 MiB": {
    make: (path) => edit(path("events.jsonl"), /^/, `${"x".repeat(16 * 1024 * 1024 + 1)}\n`),
    found: [["too-long", "events.jsonl", 1]],
  },
  "an event id twice (W-FRS-10)": {
    make: (path) => edit(path("events.jsonl"), EVENT_LINES[3]!, EVENT_LINES[3]!.repeat(2)),
    found: [["duplicate", "events.jsonl", 5]],
    left: [["duplicate", "events.jsonl", 5]],
  },
  "events out of order (W-FRS-10)": {
    make: (path) => edit(path("events.jsonl"), EVENT_LINES[0]!, EVENT_LINES[1]! + EVENT_LINES[0]!),
    found: OUT_OF_ORDER,
    left: OUT_OF_ORDER,
  },
  "an event gone from the middle": {
    make: (path) => edit(path("events.jsonl"), EVENT_LINES[0]!, ""),
    found: [["gap", "events.jsonl", 1]],
    left: [["gap", "events.jsonl", 1]],
  },
  "the last event lost (W-FRS-3)": {
    make: (path) => edit(path("events.jsonl"), EVENT_LINES[4]!, ""),
    found: [["lost", "events.jsonl"], ["dangling", `${FIRST}/worker.json`]],
    left: [["lost", "events.jsonl"], ["dangling", `${FIRST}/worker.json`]],
  },
  "the counters behind the log": {
    make: (path) => edit(path("runtime.json"), '"next_event_id": 6', '"next_event_id": 4'),
    found: [["counter", "runtime.json"]],
  },
  "the counter of diagnostics behind them": {
    make: (path) =>
      edit(path("runtime.json"), '"next_diagnostic_id": 3', '"next_diagnostic_id": 1'),
    found: [["counter", "runtime.json"]],
  },
  "the counter of workers behind them": {
    make: (path) =>
      edit(path("runtime.json"), '"next_worker_sequence": 3', '"next_worker_sequence": 2'),
    found: [["counter", "runtime.json"]],
  },
  "the counter of entries behind the transcript": {
    make: (path) =>
      edit(
        path(`${FIRST}/worker.json`),
        '"next_transcript_sequence": 2',
        '"next_transcript_sequence": 1',
      ),
    found: [["counter", `${FIRST}/worker.json`]],
  },
  "the last entry lost (W-FRS-3)": {
    make: (path) => write(path(`${FIRST}/transcript.jsonl`), ""),
    found: [["lost", `${FIRST}/transcript.jsonl`], ["lost", `${FIRST}/transcript.jsonl`]],
    left: [["lost", `${FIRST}/transcript.jsonl`], ["lost", `${FIRST}/transcript.jsonl`]],
  },
  "an entry of another worker (FRS-5)": {
    make: (path) => edit(path(`${FIRST}/transcript.jsonl`), "worker-00000001", "worker-00000002"),
    found: [["foreign-record", `${FIRST}/transcript.jsonl`, 1]],
    left: [["foreign-record", `${FIRST}/transcript.jsonl`, 1]],
  },
  "an entry of another runtime (FRS-5)": {
    make: (path) => edit(path(`${FIRST}/transcript.jsonl`), "rt-1", "rt-2"),
    found: [["foreign-record", `${FIRST}/transcript.jsonl`, 1]],
    left: [["foreign-record", `${FIRST}/transcript.jsonl`, 1]],
  },
  "an event of another runtime": {
    make: (path) =>
      edit(
        path("events.jsonl"),
        /"id":4,"worker_ref":{"runtime_id":"rt-1"/,
        '"id":4,"worker_ref":{"runtime_id":"rt-2"',
      ),
    found: [["foreign-record", "events.jsonl", 4], ["dangling", `${SECOND}/worker.json`]],
    left: [["foreign-record", "events.jsonl", 4], ["dangling", `${SECOND}/worker.json`]],
  },
  "an entry that names no input": {
    make: (path) => edit(path(`${FIRST}/transcript.jsonl`), '"event_id":3', '"event_id":4'),
    found: [["lost", `${FIRST}/transcript.jsonl`], ["dangling", `${FIRST}/transcript.jsonl`]],
    left: [["lost", `${FIRST}/transcript.jsonl`], ["dangling", `${FIRST}/transcript.jsonl`]],
  },
  "a worker that runs in a stopped runtime": {
    make: (path) => edit(path("runtime.json"), '"status": "running"', '"status": "stopped"'),
    found: [["status", `${SECOND}/worker.json`]],
  },
  "no runtime.json (W-FRS-8)": {
    make: (path) => Deno.removeSync(path("runtime.json")),
    found: [["missing", "runtime.json"]],
  },
  "a torn runtime.json": {
    make: (path) => write(path("runtime.json"), GOLDEN_RUNTIME.slice(0, 200)),
    found: [["corrupt", "runtime.json", 9]],
  },
  "a runtime.json with a field too many": {
    make: (path) => edit(path("runtime.json"), '"status"', '"shards": 2,\n  "status"'),
    found: [["corrupt", "runtime.json"]],
    left: [["corrupt", "runtime.json"]],
  },
  "a runtime.json of a newer schema (FRS-3)": {
    make: (path) => edit(path("runtime.json"), '"schema_version": 1', '"schema_version": 2'),
    found: [["schema", "runtime.json"]],
    left: [["schema", "runtime.json"]],
  },
  "a runtime.json of another runtime (FRS-3)": {
    make: (path) =>
      edit(
        path("runtime.json"),
        '"runtime_id": "rt-1",\n  "disp',
        '"runtime_id": "rt-2",\n  "disp',
      ),
    found: [["foreign-record", "runtime.json"]],
    left: [["foreign-record", "runtime.json"]],
  },
  "a runtime.json of another backend (FRS-3)": {
    make: (path) => edit(path("runtime.json"), "fs_store", "memory"),
    found: [["backend", "runtime.json"]],
    left: [["backend", "runtime.json"]],
  },
  "a config bundle that was changed": {
    make: (path) => edit(path("runtime.json"), "rev-1", "rev-2"),
    found: [["bundle", "runtime.json"]],
    left: [["bundle", "runtime.json"]],
  },
  "no events.jsonl (W-FRS-8)": {
    make: (path) => Deno.removeSync(path("events.jsonl")),
    found: [["missing", "events.jsonl"]],
    left: [["lost", "events.jsonl"]],
  },
  "no transcript.jsonl": {
    make: (path) => Deno.removeSync(path(`${SECOND}/transcript.jsonl`)),
    found: [["missing", `${SECOND}/transcript.jsonl`]],
  },
  "no workers": {
    make: (path) => Deno.removeSync(path("workers"), { recursive: true }),
    found: [["lost", "workers"], ["lost", "workers"]],
    left: [["lost", "workers"], ["lost", "workers"]],
  },
  "an empty worker directory (FRS-6)": {
    make: (path) => Deno.mkdirSync(path(THIRD)),
    found: [["missing", `${THIRD}/worker.json`], ["counter", "runtime.json"]],
    left: [["lost", "workers"]],
  },
  "a torn worker.json (W-FRS-12)": {
    make: (path) => write(path(`${FIRST}/worker.json`), GOLDEN_FIRST_WORKER.slice(0, 99)),
    found: [["corrupt", `${FIRST}/worker.json`, 5]],
    left: LOST_FIRST,
  },
  "a worker.json of a newer schema (FRS-4)": {
    make: (path) =>
      edit(path(`${FIRST}/worker.json`), '"schema_version": 1', '"schema_version": 2'),
    found: [["schema", `${FIRST}/worker.json`]],
    left: [["schema", `${FIRST}/worker.json`]],
  },
  "a worker.json of another runtime (FRS-4)": {
    make: (path) => edit(path(`${FIRST}/worker.json`), "rt-1", "rt-2"),
    found: [["foreign-record", `${FIRST}/worker.json`]],
    left: LOST_FIRST,
  },
  "a worker.json that contradicts itself (FRS-4)": {
    make: (path) => edit(path(`${FIRST}/worker.json`), "worker-00000001", "worker-00000009"),
    found: [["foreign-record", `${FIRST}/worker.json`]],
    left: LOST_FIRST,
  },
  "a worker directory renamed (W-FRS-10)": {
    make: (path) => Deno.renameSync(path(FIRST), path(THIRD)),
    found: [["directory-name", THIRD]],
  },
  "a worker directory renamed, and a stub and a stray in it": {
    make: (path) => {
      appendTo(path(`${FIRST}/transcript.jsonl`), "stub");
      write(path(`${FIRST}/stray`), "x");
      Deno.renameSync(path(FIRST), path(THIRD));
    },
    found: [
      ["directory-name", THIRD],
      ["torn", `${THIRD}/transcript.jsonl`, 2],
      ["foreign-file", `${THIRD}/stray`],
    ],
  },
  "a worker directory that cannot be used, and a stray in it": {
    make: (path) => {
      write(path(`${FIRST}/stray`), "x");
      write(path(`${FIRST}/worker.json`), "");
    },
    found: [["foreign-file", `${FIRST}/stray`], ["corrupt", `${FIRST}/worker.json`, 1]],
    left: LOST_FIRST,
  },
  "a worker directory copied (FRS-4)": {
    make: (path) => {
      Deno.mkdirSync(path(THIRD));
      for (const name of ["worker.json", "transcript.jsonl"]) {
        Deno.copyFileSync(path(`${FIRST}/${name}`), path(`${THIRD}/${name}`));
      }
    },
    found: [["duplicate-worker", THIRD]],
  },
  "foreign files everywhere (FRS-6)": {
    make: (path) => {
      write(path("backup.zip"), "x");
      write(path("workers/backup.zip"), "x");
      write(path(`${FIRST}/notes.txt`), "x");
      Deno.mkdirSync(path("workers/tmp"));
    },
    found: [
      ["foreign-file", "backup.zip"],
      ["foreign-file", "workers/backup.zip"],
      ["foreign-file", "workers/tmp"],
      ["foreign-file", `${FIRST}/notes.txt`],
    ],
  },
  "a file and a directory beside the runtimes": {
    make: (path) => {
      write(path("../notes.txt"), "x");
      Deno.mkdirSync(path("../id-XY"));
    },
    found: [["foreign-file", "runtimes/notes.txt"], ["foreign-file", "runtimes/id-XY"]],
    left: [["foreign-file", "runtimes/notes.txt"], ["foreign-file", "runtimes/id-XY"]],
  },
  "temps that killed processes left (W-FRS-14)": {
    make: (path) => {
      for (
        const name of [
          ".runtime.json.tmp-7-0",
          "runtime.json.7.0.tmp",
          `${FIRST}/.worker.json.tmp-7-1`,
        ]
      ) {
        write(path(name), "{");
        Deno.utimeSync(path(name), 1, 1);
      }
      write(path("runtime.json.8.0.tmp"), "one that is being written");
    },
    found: [
      ["stale-temp", ".runtime.json.tmp-7-0"],
      ["stale-temp", "runtime.json.7.0.tmp"],
      ["stale-temp", `${FIRST}/.worker.json.tmp-7-1`],
    ],
  },
  "a link in the place of a log": {
    make: (path) => {
      Deno.renameSync(path("events.jsonl"), path("../../elsewhere"));
      Deno.symlinkSync(path("../../elsewhere"), path("events.jsonl"));
    },
    found: [["symlink", "events.jsonl"]],
    left: [["symlink", "events.jsonl"]],
  },
  "a link in the place of a worker's files": {
    make: (path) => {
      Deno.renameSync(path(`${FIRST}/worker.json`), path("../../elsewhere"));
      Deno.symlinkSync(path("../../elsewhere"), path(`${FIRST}/worker.json`));
    },
    found: [["symlink", `${FIRST}/worker.json`]],
    left: [["symlink", `${FIRST}/worker.json`]],
  },
  "a directory in the place of a log": {
    make: (path) => {
      Deno.removeSync(path(`${SECOND}/transcript.jsonl`));
      Deno.mkdirSync(path(`${SECOND}/transcript.jsonl`));
    },
    found: [["foreign-file", `${SECOND}/transcript.jsonl`]],
  },
};
