/** Every verb that reads runs says of those in a database what it says of the same ones in a directory. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { migratePostgres, openPostgresRoot } from "../../postgres/mod.ts";
import { listRuns } from "../../eventlog/mod.ts";
import { wordsFor } from "../../cli/completions/words.ts";
import { summarizeMore, summarizeRuns } from "../../cli/reading/run_summary.ts";
import type { PostgresClient } from "../../postgres/types.ts";
import { openFileRoot } from "../../run/mod.ts";
import { type Ended, startTaffrail } from "../cli/_command.ts";
import { type Plan, type ProgramFolder, withProgram } from "../cli/_program.ts";
import { dataIn } from "../cli/_page.ts";
import { clientOf } from "./_client.ts";
import { withSharedServer } from "./_server.ts";
import { takeIn } from "./_take_in.ts";

const FLOW = {
  name: "ci",
  on_failure: "keep_going",
  nodes: {
    gen: { sh: "echo made; echo careful >&2" },
    test: { sh: "echo tested; exit 3", needs: ["gen"], retry: { max: 1 } },
    lint: { sh: "echo clean", needs: ["gen"] },
    pack: { sh: "true", needs: ["test", "lint"] },
  },
  constraints: { max_in_flight: 1 },
};

/** A program that waits when it is left. */
const PROGRAM: Plan = {
  version: "3",
  ops: [
    { record: "source", data: { host: "db1" } },
    { step: "list", gives: ["a", "b"] },
    { step: "big", big: 70_000 },
    { step: "caught", fails: 1, caught: true, message: "out of stock" },
    { together: [{ gate: "approved" }, { print: "it waits" }] },
  ],
};

/** Runs in a directory and the same in a database. */
interface BothRoots {
  program: ProgramFolder;
  url: string;
  /** Runs a statement as the superuser. */
  sql(text: string): Promise<string[]>;
  /** Runs the command on both, and compares what it says. */
  compare(args: string[], options?: { code?: number }): Promise<Ended>;
}

/** Records what there is to be told of, and takes it into a database. */
async function withBoth(use: (both: BothRoots) => Promise<void>): Promise<void> {
  await withProgram((program) =>
    withNewDatabase(async ({ url, sql }) => {
      await record(program);
      await migratePostgres(clientOf(url));
      {
        await using files = openFileRoot(program.root);
        await using database = await openPostgresRoot(clientOf(url));
        for (const runId of await listRuns(program.root)) {
          await takeIn(files.view(runId), database, `${program.root}/runs/${runId}/nodes`);
        }
      }
      const compare = async (args: string[], { code = 0 } = {}) => {
        const [verb = "", ...rest] = args;
        const there = await program.taffrail(verb, "--root", url, ...rest);
        const here = await program.taffrail(verb, ...rest);
        assertEquals(
          [there.code, saidOf(there.stdout, url), saidOf(there.stderr, url)],
          [here.code, saidOf(here.stdout, url), saidOf(here.stderr, url)],
          args.join(" "),
        );
        assertEquals(there.code, code, `${args.join(" ")}: ${there.stderr}`);
        return there;
      };
      await use({ program, url, sql, compare });
    })
  );
}

function withNewDatabase(
  use: (database: Pick<BothRoots, "url" | "sql">) => Promise<void>,
): Promise<void> {
  return withSharedServer((server) =>
    server.withDatabase(({ name, url }) => use({ url, sql: (text) => server.sql(text, name) }))
  );
}

async function record(program: ProgramFolder): Promise<void> {
  await Deno.writeTextFile(`${program.cwd}/ci.json`, JSON.stringify(FLOW));
  await program.taffrail("run", "ci.json");
  await program.taffrail("exec", "--name", "hello", "--", "sh", "-c", "echo hello; echo you >&2");
  await program.killAt(PROGRAM, /it waits/);
}

/** What is said, without the places, the ages and the sizes, which are others in a database. */
function saidOf(text: string, url: string): string {
  if (text.startsWith("{") || text.startsWith("[")) {
    return text.trimEnd().split("\n").map((line) => JSON.stringify(withoutPlaces(JSON.parse(line))))
      .join("\n");
  }
  return text.replaceAll(` --root ${url}`, "")
    .replaceAll(/\.taffrail\/runs\/[^/\s]+\/nodes\/\S+\.(out|err):/g, "its std$1:")
    .replaceAll(/\.taffrail\/runs\/([^/\s]+)\/([\w.]+)/g, "$2 of $1 in ROOT")
    .replaceAll(/^log {5}events.jsonl of /gm, "log     ")
    .replaceAll(url, "ROOT")
    .replaceAll(/in \.taffrail\b/g, "in ROOT")
    .replaceAll(/ +[\d.]+ ?[KM]?i?B/g, " SIZE");
}

const PLACES = [
  "root",
  "log",
  "output",
  "result_file",
  "path",
  "size_bytes",
  "byte_offset",
  "repair",
];

function withoutPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutPlaces);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([name]) => !PLACES.includes(name));
  return Object.fromEntries(members.map(([name, member]) => [name, withoutPlaces(member)]));
}

Deno.test("show, logs, ls, trace, follow and the verbs for recordings say the same of runs in a database", async () => {
  await withBoth(async ({ program, url, compare }) => {
    const shrunk = async (...root: string[]) => {
      const limit = ["--max-in-flight", "0", "-o", "-"];
      const { code, stdout } = await program.taffrail("shrink", ...root, ...limit, "ci");
      return { code, bundle: JSON.parse(stdout) };
    };
    assertEquals(await shrunk("--root", url), await shrunk());
    for (const json of [[], ["--json"]]) {
      for (const run of ["ci", "hello", "order"]) {
        await compare(["show", ...json, run]);
        await compare(["logs", ...json, run]);
        await compare(["follow", ...json, run]);
        await compare(["replay", ...json, run]);
        await compare(["diff", ...json, run, run]);
        await compare(["what-if", ...json, "--max-retries", "0", run]);
      }
      await compare(["ls", ...json]);
      await compare(["ls", ...json, "--state", "failed,orphan"]);
      await compare(["ls", ...json, "--limit", "1", "--before", "latest"]);
      await compare(["trace", ...json, "ci"]);
      await compare(["trace", ...json, "hello"], { code: 1 });
      await compare(["diff", ...json, "ci", "hello"], { code: 1 });
      await compare(["logs", ...json, "ci", "test", "--attempt", "2", "--tail", "1"]);
      await compare(["show", ...json, "nothing-like-it"], { code: 1 });
    }
    const { stdout } = await program.taffrail("show", "--root", url, "order", "--json");
    const { log, nodes } = JSON.parse(stdout);
    assertEquals(log, null);
    assert(nodes.length > 0);
    for (const run of ["ci", "hello", "order"]) {
      const drawn = await program.tells("trace", "--chrome", "-", run);
      assertEquals(await program.tells("trace", "--chrome", "-", "--root", url, run), drawn);
    }
    assertEquals(nodes.filter((node: object) => "output" in node || "result_file" in node), []);
  });
});

Deno.test("report makes the same page of a run in a database, but for where that is", async () => {
  await withBoth(async ({ program, url }) => {
    for (const run of ["ci", "hello", "order"]) {
      const [here, there] = await Promise.all([[], ["--root", url]].map(async (root) => {
        const { readMs: _, ...page } = dataIn(
          await program.tells("report", ...root, run, "-o", "-"),
        );
        const isPlace = ({ text }: { text: string }) => text !== "check its records";
        const about = page.run.about.filter(([name]) => name !== "log" && name !== "read");
        const next = page.run.next.filter(isPlace);
        return JSON.stringify({ ...page, run: { ...page.run, about, next } });
      }));
      assertEquals(saidOf(`\n${there}`, url), saidOf(`\n${here}`, url), run);
      assert(/"stdout"|"result"/.test(here!));
    }
  });
});

Deno.test("trace makes the trace of a run in a database of its log and journal", async () => {
  await withBoth(async ({ program, url, sql, compare }) => {
    const traceOf = async (...where: string[]) => {
      const trace = JSON.parse(await program.tells("trace", ...where, "--json", "ci"));
      // The one beside files has the times of its recorder.
      for (const name of ["started_at", "written_at"]) {
        assert(!Number.isNaN(Date.parse(trace[name])));
        delete trace[name];
      }
      return trace;
    };
    const kept = await traceOf();
    await sql("delete from taffrail.doc where name = 'trace.json'");
    assertEquals(await traceOf("--root", url), kept);
    await compare(["trace", "hello"], { code: 1 });
    assertEquals(await traceOf("--root", url), kept);
  });
});

Deno.test("verify finds in a database what is wrong in lines, documents and outputs; repair refuses", async () => {
  await withBoth(async ({ program, url, sql, compare }) => {
    await compare(["verify"]);
    await compare(["verify", "--json"]);
    const of = (name: string) =>
      `run_no = (select run_no from taffrail.run where run_id like '${name}-%')`;
    await sql(
      `update taffrail.line set line = '{"id":' where ${of("ci")} and stream = 'e' and seq = 3`,
    );
    await sql(`update taffrail.doc set body = 'no JSON' where ${of("ci")} and name = 'trace.json'`);
    await sql(`update taffrail.doc set body = '{}' where ${of("ci")} and name = 'flow.json'`);
    await sql(
      `update taffrail.output set bytes = 'forged' where ${of("hello")} and stream = 'out'`,
    );
    await sql(`delete from taffrail.doc where ${of("hello")} and name = 'capture.json'`);
    await sql(
      `update taffrail.line set line = '{"type":"what"}' where ${
        of("order")
      } and stream = 'c' and seq = 2`,
    );
    const { code, stdout } = await program.taffrail("verify", "--root", url, "--json");
    const { problems } = JSON.parse(stdout);
    const told = problems.map((problem: Record<string, unknown>) => {
      const { run_id, part, kind, line, path, byte_offset: offset, repair } = problem;
      assertEquals([path, offset, repair], [null, null, null], JSON.stringify(problem));
      return [String(run_id).split("-")[0], part, kind, line].join(" ");
    });
    assertEquals(code, 1);
    assertEquals(told, [
      "ci log not-json 3",
      "ci flow unreadable ",
      "ci trace unreadable ",
      "hello bundle missing ",
      "hello output differs ",
      "order capture unreadable 2",
    ]);
    const text = await program.taffrail("verify", "--root", url, "hello");
    const id = (await sql("select run_id from taffrail.run where run_id like 'hello-%'"))[0]!;
    assertStringIncludes(text.stdout, `✗ hello.1.out of ${id} in ${url}: differs: what node hello`);

    const refused = await program.taffrail("repair", "--root", url, "hello");
    assertEquals([refused.code, refused.stdout], [2, ""]);
    assertMatch(refused.stderr, /^Cannot repair runs in \S+: only files are mended; .* copy .*\n$/);
  });
});

Deno.test("prune removes runs of a database by its rules, and leaves those that are held or have no end", async () => {
  await withBoth(async ({ program, url, sql }) => {
    const tried = await program.taffrail(
      "prune",
      "--root",
      url,
      "--keep",
      "0",
      "--dry-run",
      "--json",
    );
    const { removed, kept } = JSON.parse(tried.stdout);
    const names = (runs: { run_id: string }[]) => runs.map(({ run_id: id }) => id.split("-")[0]);
    assertEquals([names(removed), names(kept)], [["ci", "hello"], ["order"]]);
    assert(removed.every(({ size_bytes: bytes }: { size_bytes: number }) => bytes > 1000));
    await using running = startTaffrail(["exec", "--root", url, "--", "cat"], { cwd: program.cwd });
    await running.stderr.find(/^run_id=/);
    const pruned = await program.taffrail("prune", "--root", url, "--keep", "0", "--json");
    assertEquals([pruned.code, names(JSON.parse(pruned.stdout).removed)], [0, ["ci", "hello"]]);
    assertEquals(names(JSON.parse(pruned.stdout).kept), ["order", "cat"]);
    assertEquals((await sql("select count(*) from taffrail.run"))[0], "2");
    assertEquals((await sql("select count(*) from taffrail.removed"))[0], "0");
    await running.closeInput();
    assertEquals((await running.end()).code, 0);
  });
});

Deno.test("prune leaves a run of a database of which processes are left on this machine", async () => {
  await withBoth(async ({ program, url }) => {
    const cwd = program.cwd;
    const command = ["exec", "--root", url, "--name", "left", "--", "sleep", "600"];
    await using running = startTaffrail(command, { cwd });
    const runId = (await running.stderr.find(/^run_id=/)).slice("run_id=".length);
    await using following = startTaffrail(["follow", "--root", url, runId], { cwd });
    await following.stdout.find(/ node\.started /);
    running.kill("SIGKILL");
    await running.end();
    await following.stdout.find(/\[ORPHAN\?\]/);
    const prune = async () => {
      const { stdout } = await program.taffrail("prune", "--root", url, "--orphans", "--json");
      const { removed, kept } = JSON.parse(stdout);
      const told = (runs: { run_id: string }[]) => runs.map(({ run_id: id }) => id.split("-")[0]);
      return { removed: told(removed), kept: told(kept), reason: kept[0]?.reason };
    };
    const { reason, ...left } = await prune();
    assertEquals(left, { removed: ["order"], kept: ["left"] });
    assertMatch(
      reason,
      /^there is what is left of left: process \d+; taffrail stop --root \S+ left-/,
    );
    assertEquals((await program.taffrail("stop", "--root", url, runId)).code, 0);
    const { stdout } = await program.taffrail("prune", "--root", url, "--keep", "0", "--json");
    assertEquals(JSON.parse(stdout).removed.length, 3);
  });
});

/** Makes as many copies of a run. */
const CLONE = `
do $$ declare v_old bigint; v_new bigint; begin
  select run_no into v_old from taffrail.run where run_id like 'hello-%';
  for n in 1..COUNT loop
    insert into taffrail.run (run_id, token) values ('hello-01m8p00000' || lpad(n::text, 16, '0'), 1)
      returning run_no into v_new;
    insert into taffrail.stream (run_no, stream, token, last_seq, bytes)
      select v_new, stream, token, last_seq, bytes from taffrail.stream where run_no = v_old;
    insert into taffrail.line (run_no, stream, seq, line)
      select v_new, stream, seq, line from taffrail.line where run_no = v_old;
    insert into taffrail.doc select v_new, name, body from taffrail.doc where run_no = v_old;
  end loop;
end $$`;

/** A client that counts what is asked. */
function countingClient(url: string): { client: PostgresClient; asked: () => number } {
  const client = clientOf(url);
  let count = 0;
  return {
    asked: () => count,
    client: {
      name: client.name,
      connect: async (listener) => {
        const connection = await client.connect(listener);
        return {
          query: (text, values) => {
            count++;
            return connection.query(text, values);
          },
          close: () => connection.close(),
          destroy: () => connection.destroy(),
        };
      },
    },
  };
}

Deno.test("ls asks a database no more often for a thousand completed runs than for one", async () => {
  await withBoth(async ({ program, url, sql }) => {
    const askedFor = async () => {
      const { client, asked } = countingClient(url);
      await using runs = await openPostgresRoot(client);
      const opened = { root: url, runs };
      const before = asked();
      const all = await summarizeRuns(opened);
      const more = await summarizeMore(opened, all.slice(-50));
      return { asked: asked() - before, all, more };
    };
    const few = await askedFor();
    await sql(CLONE.replace("COUNT", "1000"));
    const many = await askedFor();
    assertEquals([few.all.length, many.all.length], [3, 1003]);
    assertEquals(many.asked, few.asked);
    const shown = many.more.filter(({ run }) => run.run_id.startsWith("hello-01m8p00000"));
    assert(shown.length > 40);
    for (const { run, size } of shown) {
      assert("state" in run);
      assertEquals([run.state, run.nodes_completed, run.nodes_total], ["Completed", 1, 1]);
      assertEquals(run.command, "sh -c 'echo hello; echo you >&2'");
      assert(size! > 1000);
    }
    const { stdout } = await program.taffrail("ls", "--root", url, "--json", "--state", "failed");
    assertEquals(JSON.parse(stdout).total, 1);
  });
});

Deno.test("follow --all tells of a run that begins in a database, to its end", async () => {
  await withBoth(async ({ program, url }) => {
    const cwd = program.cwd;
    await using following = startTaffrail(["follow", "--root", url, "--all"], { cwd });
    await following.stderr.find(/^following all runs in postgres:/);
    await using running = startTaffrail(["exec", "--root", url, "--name", "late", "--", "cat"], {
      cwd,
    });
    await running.stderr.find(/^run_id=/);
    await following.stdout.find(/^late-\S+ {2}\S+ {2}node\.started/);
    await running.closeInput();
    assertEquals((await running.end()).code, 0);
    await following.stdout.find(/^late-\S+ {2}the run has completed$/);
  });
});

Deno.test("completion offers of runs in a database what it offers of the same ones in a directory", async () => {
  await withBoth(async ({ program, url }) => {
    const offered = async (root: string, kind: string, operand: string) => {
      const question = { kind, typed: "", root, operand };
      // People wait a second for it; here the machine may have more to do.
      const words = await wordsFor(question, { longestWaitMs: 600_000 });
      return words.map(({ word, about }) => `${word}: ${about.replace(/\d+\w ago/, "AGO")}`);
    };
    for (const kind of ["runs", "runs=aborted,orphan", "nodes", "gates"]) {
      const runs = kind.startsWith("runs") ? [""] : ["ci", "hello", "-"];
      for (const run of runs) {
        const here = await offered(program.root, kind, run);
        assertEquals(await offered(url, kind, run), here, `${kind} ${run}`);
        assert(here.length > 0 || kind === "gates", `${kind} ${run}`);
      }
    }
  });
});
