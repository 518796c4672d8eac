/**
 * What editors, rotations, clean-ups and restored backups do to a log that is open: what was acknowledged
 * is in the file at the log's path, or beside it in `events.jsonl.lost-<n>`, or the next append is
 * refused. Nothing is acknowledged into a file that nobody can find.
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { CaptureJournalError, openCaptureJournal } from "../../capture/mod.ts";
import { EventLogError, openEventLogSync } from "../../eventlog/mod.ts";
import { openOnPort } from "../../eventlog/open_event_log.ts";
import { FaultPort } from "../_util/fault_port.ts";
import { withStoppedClock } from "../_util/fast_clock.ts";
import { appendTo, isThere, modeOf, namesIn, readText, truncate, write } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { eventsOf, numbered, numberedLines, openLog, pathOf, readAll, RUN_ID } from "./_runs.ts";

/** Where a log is, for a way of disturbing it. */
interface Place {
  root: string;
  /** The run's folder. */
  folder: string;
  /** Its log. */
  path: string;
}

/** Something that happens to a log with the events 1 to 3, and what is to come of the next append. */
interface Way {
  happens: (place: Place) => void;
  /** What the error says. */
  says: string;
  /** Which of the events 1 to 4 are kept beside the log, when 4 was acknowledged or written too late. */
  lost?: number[];
  /** What the file at the path has. */
  stays?: number[];
}

function run(command: string, ...args: string[]): void {
  const { success, stderr } = new Deno.Command(command, { args }).outputSync();
  assert(success, new TextDecoder().decode(stderr));
}

/** Puts another file in the place of the log. */
function exchange(path: string, content: string): void {
  write(`${path}.new`, content);
  Deno.renameSync(`${path}.new`, path);
}

const KEPT = "are kept in ";

const WAYS: Record<string, Way> = {
  "an editor that saves a copy": {
    happens: ({ path }) => exchange(path, readText(path)),
    says: KEPT,
    lost: [4],
    stays: [1, 2, 3],
  },
  "sed -i that changes a line": {
    happens: ({ path }) => run("sed", "-i", 's/{"n":2}/{"n":20}/', path),
    says: KEPT,
    lost: [2, 4],
    stays: [1, 20, 3],
  },
  "sed -i that removes a line": {
    happens: ({ path }) => run("sed", "-i", "1d", path),
    says: KEPT,
    lost: [1, 4],
    stays: [2, 3],
  },
  "a program that writes all lines in another way (jq … && mv)": {
    happens: ({ path }) => exchange(path, readText(path).replaceAll(":", ": ")),
    says: KEPT,
    lost: [1, 2, 3, 4],
    stays: [1, 2, 3],
  },
  "a rotation that makes a new file": {
    happens: ({ path }) => {
      Deno.renameSync(path, `${path}.1`);
      write(path, "");
    },
    says: KEPT,
    lost: [1, 2, 3, 4],
    stays: [],
  },
  "a rotation that makes none": {
    happens: ({ path }) => Deno.renameSync(path, `${path}.1`),
    says: KEPT,
    lost: [1, 2, 3, 4],
  },
  "a clean-up of the file": {
    happens: ({ path }) => Deno.removeSync(path),
    says: KEPT,
    lost: [1, 2, 3, 4],
  },
  "a backup from before that is put back": {
    happens: ({ path }) => exchange(path, '{"n":1}\n'),
    says: KEPT,
    lost: [2, 3, 4],
    stays: [1],
  },
  "another run's log that is put in its place": {
    happens: ({ path }) => exchange(path, '{"n":7}\n{"n":8}\n{"n":9}\n{"n":10}\n'),
    says: KEPT,
    lost: [1, 2, 3, 4],
    stays: [7, 8, 9, 10],
  },
  "a directory in its place": {
    happens: ({ path }) => {
      Deno.renameSync(path, `${path}.1`);
      Deno.mkdirSync(path);
    },
    says: KEPT,
    lost: [1, 2, 3, 4],
  },
  "a link in its place": {
    happens: ({ path }) => {
      Deno.renameSync(path, `${path}.1`);
      Deno.symlinkSync(`${path}.1`, path);
    },
    says: KEPT,
    lost: [1, 2, 3, 4],
  },
  "a clean-up of the folder (git clean)": {
    happens: ({ folder }) => Deno.removeSync(folder, { recursive: true }),
    says: "and its lines with it",
  },
  "a root that is moved": {
    happens: ({ root }) => Deno.renameSync(root, `${root}.moved`),
    says: "its lines are in it, wherever it is now",
  },
  "a root that is replaced by a copy": {
    happens: ({ root }) => {
      run("cp", "-r", root, `${root}.copy`);
      Deno.renameSync(root, `${root}.moved`);
      Deno.renameSync(`${root}.copy`, root);
    },
    says: KEPT,
    lost: [4],
    stays: [1, 2, 3],
  },
};

/** What the files that were kept beside a log have, and who may read them. */
function lostIn({ folder, path }: Place): number[] | undefined {
  if (!isThere(folder)) return undefined;
  const names = namesIn(folder).filter((name) => name.startsWith("events.jsonl.lost-"));
  if (names.length === 0) return undefined;
  assertEquals(names, ["events.jsonl.lost-1"]);
  assertEquals(modeOf(`${path}.lost-1`), 0o600);
  return numbersIn(`${path}.lost-1`);
}

function numbersIn(path: string): number[] {
  return readText(path).split("\n").slice(0, -1).map((line) => JSON.parse(line).n);
}

function placeIn(directory: string): Place {
  const root = `${directory}/root`;
  return { root, folder: `${root}/runs/${RUN_ID}`, path: pathOf(root) };
}

function assertReplaced(error: EventLogError, { says, lost }: Way, place: Place): void {
  assertEquals([error.kind, error.details.path], ["replaced", place.path], error.message);
  assertStringIncludes(error.message, says);
  if (lost !== undefined) assertStringIncludes(error.message, `${place.path}.lost-1`);
}

/** Makes events 1 to 3, lets it happen, and tries the test. */
function withDisturbedLog(
  durability: "os" | "disk",
  way: Way,
  test: (
    log: Awaited<ReturnType<typeof openLog>>,
    place: Place,
    clock: { advanceMs(ms: number): void },
  ) => Promise<void>,
): Promise<void> {
  return withStoppedClock((clock) =>
    withTempDir(async (directory) => {
      const place = placeIn(directory);
      const log = await openLog(place.root, { durability });
      await log.appendAll(numbered(3));
      way.happens(place);
      await test(log, place, clock);
    })
  );
}

function assertKept(way: Way, place: Place, lost: number[] | undefined): void {
  assertEquals(lostIn(place), lost?.length === 0 ? undefined : lost);
  if (way.stays === undefined) return;
  assertEquals(readAll(place.root).events.map(({ event }) => event.n), way.stays);
}

for (const [name, way] of Object.entries(WAYS)) {
  const ignore = Deno.build.os === "windows";

  Deno.test(
    `${name} is noticed before an event is acknowledged as on disk`,
    { ignore },
    () =>
      withDisturbedLog("disk", way, async (log, place) => {
        const append = () => log.append({ n: 4 });
        assertReplaced(await assertRejects(append, EventLogError), way, place);
        assertKept(way, place, way.lost);
        assertReplaced(assertThrows(() => log.appendSync({ n: 5 }), EventLogError), way, place);
        assertReplaced(await assertRejects(() => log.sync(), EventLogError), way, place);
        await log.close();
        assertKept(way, place, way.lost);
      }),
  );

  Deno.test(
    `${name} is noticed within a millisecond, and what was acknowledged kept`,
    { ignore },
    () =>
      withDisturbedLog("os", way, async (log, place, clock) => {
        assertEquals((await log.append({ n: 4 })).lastSeq, 4);
        clock.advanceMs(1);
        const append = () => log.appendSync({ n: 5 });
        assertReplaced(assertThrows(append, EventLogError), way, place);
        assertReplaced(await assertRejects(() => log.append({ n: 6 }), EventLogError), way, place);
        await log.close();
        assertKept(way, place, way.lost);
      }),
  );

  Deno.test(
    `${name} is noticed at the latest when the log is closed`,
    { ignore },
    () =>
      withDisturbedLog("os", way, async (log, place) => {
        assertEquals(log.appendSync({ n: 4 }).lastSeq, 4);
        assertReplaced(await assertRejects(() => log.close(), EventLogError), way, place);
        assertKept(way, place, way.lost);
        assertThrows(() => log.appendSync({ n: 5 }), EventLogError, "the log is closed");
        await log.close();
        if (way.stays !== undefined) await (await openLog(place.root, { exclusive: true })).close();
      }),
  );
}

/** What changes the file itself: the lines before are nowhere that a handle could lead to. */
const REWRITES: Record<string, { happens: (path: string) => void; kind: string }> = {
  "a rotation that copies and truncates": {
    happens: (path) => {
      Deno.copyFileSync(path, `${path}.1`);
      truncate(path, 0);
    },
    kind: "rewound",
  },
  "a truncation that is grown past its old size": {
    happens: (path) => {
      truncate(path, 0);
      appendTo(path, '{"other":"line"}\n'.repeat(3));
    },
    kind: "replaced",
  },
  "a truncation that is grown to its old size": {
    happens: (path) => {
      truncate(path, 0);
      appendTo(path, '{"n":1}\n{"n":2}\n{"n":7}\n');
    },
    kind: "replaced",
  },
  "an editor that writes over the last line": {
    happens: (path) => write(path, '{"n":1}\n{"n":2}\n{"n":33}\n'),
    kind: "replaced",
  },
};

for (const [name, { happens, kind }] of Object.entries(REWRITES)) {
  Deno.test(`${name} is noticed before anything is written behind it`, () =>
    withStoppedClock((clock) =>
      withTempDir(async (directory) => {
        for (const durability of ["os", "disk"] as const) {
          const root = `${directory}/${durability}`;
          const log = await openLog(root, { durability });
          await log.appendAll(numbered(3));
          happens(log.path);
          clock.advanceMs(1);
          const before = readText(log.path);
          for (let tries = 0; tries < 2; tries++) {
            const error = await assertRejects(() => log.append({ n: 4 }), EventLogError);
            assertEquals(error.kind, kind, error.message);
            assertEquals(assertThrows(() => log.appendSync({ n: 4 }), EventLogError).kind, kind);
          }
          assertEquals(readText(log.path), before);
          await log.close();
          await using again = await openLog(root);
          assertEquals((await again.append({ n: 4 })).lastSeq, before.split("\n").length);
        }
      })
    ));

  Deno.test(`${name} is noticed when the log is closed`, () =>
    withTempDir(async (root) => {
      const log = await openLog(root);
      await log.appendAll(numbered(3));
      happens(log.path);
      const error = await assertRejects(() => log.close(), EventLogError);
      assertEquals(error.kind, kind, error.message);
      await (await openLog(root, { exclusive: true })).close();
    }));
}

Deno.test("who appended nothing is told nothing when the log is gone", () =>
  withTempDir(async (directory) => {
    const root = `${directory}/root`;
    const log = await openLog(root);
    using other = openEventLogSync({ root: `${directory}/other`, runId: RUN_ID });
    await Deno.remove(root, { recursive: true });
    await log.close();
    assertEquals(await other.lastSeq(), 0);
  }));

/** What makes a writer cut its file, or give up, after another one has taken that file's place. */
const CUTTING: Record<string, (port: FaultPort, old: string) => void> = {
  "whose write is cut short": (port) => port.shortWriteAt(1, 4),
  "whose write fails": (port) => port.failAt(1, { only: ["writeSync"] }),
  "whose sync fails": (port) => port.failAt(1, { only: ["syncDataSync"] }),
  "that finds half a line": (_, old) => appendTo(old, '{"n":'),
  "that finds NULs": (_, old) => appendTo(old, "\0".repeat(9000)),
  "that finds fewer lines": (_, old) => truncate(old, 8),
};

for (const [name, happens] of Object.entries(CUTTING)) {
  Deno.test(`a writer ${name} cuts nothing of a file that has taken the place of its log`, {
    ignore: Deno.build.os === "windows",
  }, () =>
    withStoppedClock(() =>
      withTempDir(async (root) => {
        const port = new FaultPort();
        const log = await openOnPort(port, { root, runId: RUN_ID });
        await log.append({ n: 1 });
        const { path } = log;
        await Deno.rename(path, `${path}.1`);
        const content = numberedLines(31);
        await using other = await openLog(root);
        await other.appendAll(numbered(31), { durability: "disk" });
        happens(port, `${path}.1`);
        await assertRejects(() => log.append({ n: 2 }, { durability: "disk" }), EventLogError);
        assertEquals(readText(path), content);
        await log.close().catch(() => {});
        assertEquals(readText(path), content);
        await other.append({ n: 32 });
        assertEquals(readAll(root).events.length, 32);
      })
    ));
}

Deno.test("every writer of a log that was replaced keeps its lines, and none is lost", () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      const logs = await Promise.all(Array.from({ length: 4 }, () => openLog(root)));
      for (const [n, log] of logs.entries()) await log.append({ n }, { durability: "disk" });
      const { path } = logs[0]!;
      exchange(path, readText(path));
      // All of these are written before anybody looks.
      for (const [n, log] of logs.entries()) {
        const error = await assertRejects(
          () => log.append({ n: 10 + n }, { durability: "disk" }),
          EventLogError,
        );
        assertEquals(error.kind, "replaced");
        await log.close();
      }
      assertEquals(eventsOf(root), numbered(4, 0));
      const kept = namesIn(`${root}/runs/${RUN_ID}`).filter((name) => name.includes(".lost-"));
      const events = new Set(kept.flatMap((name) => numbersIn(pathOf(root, name))));
      assertEquals([...events].sort(), [10, 11, 12, 13]);
    })
  ));

Deno.test("what is missing is kept once, however many find it out at the same time", () =>
  withTempDir(async (directory) => {
    for (const form of ["at once", "closing", "overtaking"] as const) {
      const root = `${directory}/${form}`;
      const log = await openLog(root, { durability: "disk" });
      await log.append({ n: 1 });
      const appending = log.append({ n: 2 });
      const asked: Promise<unknown>[] = [appending];
      if (form === "at once") asked.push(log.sync(), log.sync(), log.append({ n: 3 }));
      exchange(log.path, "");
      if (form === "overtaking") assertThrows(() => log.appendSync({ n: 3 }), EventLogError, KEPT);
      const closed = log.close();
      for (const outcome of await Promise.allSettled(asked)) {
        assert(outcome.status === "rejected" && outcome.reason.kind === "replaced");
      }
      // They have been told.
      await closed;
      const lost = lostIn({ root, folder: `${root}/runs/${RUN_ID}`, path: log.path });
      assertEquals(lost?.slice(0, 1), [1]);
    }
  }));

Deno.test("lines that are long, damaged or double are kept byte for byte", () =>
  withStoppedClock(() =>
    withTempDir(async (root) => {
      const long = `{"long":"${"x".repeat(17 * 1024 * 1024)}"}\n`;
      const odd = `\n\0\0\0{"n":1}\n\u{FEFF}é\n${"\0".repeat(2 * 1024 * 1024)}\n`;
      const log = await openLog(root);
      await log.append({ n: 0 });
      appendTo(log.path, '{"twice":1}\n{"twice":1}\n' + long + odd);
      await log.append({ n: 1 });
      exchange(log.path, '{"twice":1}\n{"n":0}\n');
      await assertRejects(() => log.append({ n: 2 }, { durability: "disk" }), EventLogError, KEPT);
      assertEquals(
        readText(`${log.path}.lost-1`) === '{"twice":1}\n' + long + odd + '{"n":1}\n{"n":2}\n',
        true,
      );
      await log.close();
    })
  ));

Deno.test("a journal that is replaced, moved or removed keeps its lines and takes no more", () =>
  withTempDir(async (directory) => {
    const ways: Record<string, (path: string) => void> = {
      replaced: (path) => exchange(path, ""),
      moved: (path) => Deno.renameSync(path, `${path}.1`),
      removed: (path) => Deno.removeSync(path),
    };
    for (const [name, happens] of Object.entries(ways)) {
      const path = `${directory}/${name}.jsonl`;
      const journal = openCaptureJournal(path, { durability: "disk" });
      const line = { type: "effects", decision_index: 0, effects: [] };
      await journal.append(line);
      await journal.barrier();
      const text = readText(path);
      happens(path);
      const appendOnDisk = async () => {
        await journal.append(line);
        await journal.barrier();
      };
      const error = await assertRejects(appendOnDisk, CaptureJournalError);
      assertEquals([error.kind, error.details.path], ["replaced", path]);
      assertStringIncludes(error.message, `${path}.lost-1`);
      assertStringIncludes(error.message, error.remedy!);
      assertEquals(readText(`${path}.lost-1`).split("\n")[0] + "\n", text);
      await assertRejects(async () => await journal.append(line), CaptureJournalError);
      journal.close();
    }
  }));
