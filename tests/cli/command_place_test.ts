import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RecordingError } from "../../cli/engine/errors.ts";
import { listProcesses, readMarks } from "../../cli/process/processes.ts";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { HAS_SIGNALS } from "./_command.ts";
import { placeIn, shell } from "./_place.ts";
import { isRunning, untilExists } from "./_runs.ts";

const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const IS_LINUX = Deno.build.os === "linux";

function test(name: string, body: (cwd: string) => Promise<void>, ignore = !HAS_SIGNALS): void {
  Deno.test({ name, ignore, fn: () => withTempDir(body) });
}

/** The end without its duration, which is a whole number. */
function withoutDuration<T extends { end: { duration_ms?: number } }>(ended: T) {
  const { duration_ms: duration, ...end } = ended.end;
  assert(Number.isSafeInteger(duration));
  return { ...ended, end };
}

async function sha256Of(text: string): Promise<string> {
  const bytes = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)),
  );
  return `sha256:${bytes.toHex()}`;
}

test("CommandPlace starts the command before run() returns", async (cwd) => {
  const { run, held } = placeIn(cwd, { a: { run: ["/bin/true"] } });
  const ended = run("a");
  assertEquals(held.calls, ["append"]);
  assertEquals(withoutDuration(await ended), {
    termination: "Completed",
    end: { exit_code: 0, output_hash: EMPTY, error_hash: EMPTY },
  });
  // What prints nothing has no output and no file.
  assertEquals([held.calls, namesIn(cwd)], [["append"], ["processes.jsonl"]]);
  const line = JSON.parse(await Deno.readTextFile(`${cwd}/processes.jsonl`));
  assertEquals([line.node_id, line.attempt, typeof line.pid, line.root], ["a", 1, "number", cwd]);
});

test("CommandPlace keeps what a command prints, and syncs it where others need it", async (cwd) => {
  const script = "printf out; printf err >&2";
  for (const isNeeded of [false, true]) {
    const { run, held } = placeIn(cwd, { a: shell(script) }, { isNeeded: () => isNeeded });
    assertEquals(withoutDuration(await run("a")), {
      termination: "Completed",
      end: { exit_code: 0, output_hash: await sha256Of("out"), error_hash: await sha256Of("err") },
    });
    assertEquals(
      held.calls.toSorted(),
      ["append", "close a.1.err", `close a.1.out${isNeeded ? " synced" : ""}`]
        .concat(["open a.1.err", "open a.1.out"]),
    );
    assertEquals(await Deno.readTextFile(`${cwd}/a.1.out`), "out");
    assertEquals(await Deno.readTextFile(`${cwd}/a.1.err`), "err");
  }
});

test("CommandPlace hands on and keeps large outputs whole, whatever their chunks", async (cwd) => {
  const passed = { out: 0, err: 0 };
  const count = (stream: "out" | "err") => (chunk: Uint8Array) => {
    passed[stream] += chunk.length;
  };
  const script = "seq 200000; seq 300000 >&2";
  const { run } = placeIn(cwd, { a: shell(script), b: shell(script) }, {
    passThrough: {
      isRaw: true,
      to: ({ stream }) => {
        return { take: count(stream === "out" ? "out" : "err"), end: () => Promise.resolve() };
      },
    },
  });
  const lines = (most: number) =>
    Array.from({ length: most }, (_, index) => `${index + 1}\n`).join("");
  const hashes = [await sha256Of(lines(200_000)), await sha256Of(lines(300_000))];
  for (const { end } of await Promise.all([run("a"), run("b")])) {
    assertEquals([end.output_hash, end.error_hash], hashes);
  }
  assertEquals(passed, { out: 2 * lines(200_000).length, err: 2 * lines(300_000).length });
});

test("CommandPlace says how a command failed, in the words that it printed last", async (cwd) => {
  const { run } = placeIn(cwd, {
    code: shell("echo why >&2; exit 7"),
    silent: shell("exit 3"),
    signal: shell("echo dying >&2; kill -9 $$"),
    long: shell("seq 100000 >&2; exit 1"),
    late: { ...shell("exec sleep 1000"), timeoutMs: 1 },
  });
  const failed = { Failed: "RuntimeError" } as const;
  const endOf = async (nodeId: string) => {
    const { termination, end: { duration_ms: _, error_hash, output_hash, ...end } } = await run(
      nodeId,
    );
    assert(error_hash !== undefined && output_hash === EMPTY);
    return { termination, end };
  };
  assertEquals(await endOf("code"), {
    termination: failed,
    end: { exit_code: 7, error: { message: "why" } },
  });
  assertEquals(await endOf("silent"), { termination: failed, end: { exit_code: 3 } });
  assertEquals(await endOf("signal"), {
    termination: failed,
    end: { signal: "SIGKILL", error: { message: "dying" } },
  });
  const last = Array.from({ length: 20 }, (_, index) => 99_981 + index).join("\n");
  assertEquals((await endOf("long")).end.error, { message: last });
  assertEquals(await endOf("late"), { termination: "TimedOut", end: { signal: "SIGTERM" } });
});

test("CommandPlace ends a command when its attempt is to end, and says why", async (cwd) => {
  const script =
    'echo $$ > "$TAFFRAIL_NODE_ID.new"; mv "$TAFFRAIL_NODE_ID.new" "$TAFFRAIL_NODE_ID"';
  const nodes = { a: shell(`${script}; exec sleep 1000`), b: shell(`${script}; exec sleep 1000`) };
  const { run } = placeIn(cwd, nodes);
  const reasons = [
    ["a", new Error("enough"), "Aborted"],
    ["b", new DOMException("late", "TimeoutError"), "TimedOut"],
  ] as const;
  for (const [nodeId, reason, termination] of reasons) {
    const stop = new AbortController();
    const ended = run(nodeId, { signal: stop.signal });
    await untilExists(cwd, nodeId);
    stop.abort(reason);
    assertEquals(withoutDuration(await ended), {
      termination,
      end: { signal: "SIGTERM", output_hash: EMPTY, error_hash: EMPTY },
    });
    assertEquals(isRunning(Number(await Deno.readTextFile(`${cwd}/${nodeId}`))), false);
    // Its work never began when it is to end already.
    assertEquals(await run(nodeId, { signal: stop.signal }), {
      termination,
      end: { begun: false },
    });
  }
});

test("CommandPlace gives a command its names and the mark of its attempt", async (cwd) => {
  const names = "RUN_ID NODE_ID ATTEMPT ROOT WITHIN GRACE_MS";
  const script = `for n in ${names}; do eval "echo \\$TAFFRAIL_$n"; done; echo "$OWN"; pwd`;
  const node = { ...shell(script), env: { OWN: "mine" } };
  const { run } = placeIn(cwd, { a: node }, { graceMs: 1500 });
  await run("a", { attempt: 12 });
  assertEquals(
    await Deno.readTextFile(`${cwd}/a.12.out`),
    `r-1\na\n12\n${cwd}\n${cwd}|r-1|a|12\n1500\nmine\n${cwd}\n`,
  );
});

test("CommandPlace ends what a failed command has left outside of its group", async (cwd) => {
  const leave = 'setsid sh -c \'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 1000\' left' +
    " > /dev/null 2>&1 < /dev/null & while ! test -e left; do sleep 0.01; done";
  const { run, notes } = placeIn(cwd, { bad: shell(`${leave}; exit 1`), good: shell(leave) });
  assertEquals((await run("bad")).termination, { Failed: "RuntimeError" });
  const left = Number(await Deno.readTextFile(`${cwd}/left`));
  assertEquals(isRunning(left), false);
  assertEquals(notes, [`ending what is left of bad: process ${left}, within 10.0s`]);
  await Deno.remove(`${cwd}/left`);
  // What a command has left that went well may be a service: it was started to stay.
  assertEquals((await run("good")).termination, "Completed");
  const service = Number(await Deno.readTextFile(`${cwd}/left`));
  assert(isRunning(service));
  assertEquals(readMarks(service), [{ root: cwd, runId: "r-1", nodeId: "good", attempt: 1 }]);
  Deno.kill(service, "SIGKILL");
}, !IS_LINUX);

test("CommandPlace ends the command when what it does cannot be recorded", async (cwd) => {
  const waits = "echo said; echo $$ > pid; exec sleep 1000";
  for (const fails of ["append", "openOutput", "write", "ready", "close"] as const) {
    const { run, held } = placeIn(cwd, { a: shell(fails === "close" ? "echo said" : waits) });
    const broken = new Error("No space left on device");
    const { openOutput } = held;
    if (fails === "append") held.append = () => Promise.reject(broken);
    held.openOutput = (of) => {
      if (fails === "openOutput") throw broken;
      const sink = openOutput.call(held, of);
      if (fails === "write") {
        sink.write = () => {
          throw broken;
        };
      }
      if (fails === "ready") sink.ready = () => Promise.reject(broken);
      const { close } = sink;
      if (fails === "close") {
        sink.close = async (options) => {
          await close(options);
          throw broken;
        };
      }
      return sink;
    };
    const error = await assertRejects(() => run("a"), RecordingError, "No space left on device");
    const of = fails === "append" ? "the process of node a" : "what node a prints";
    assertStringIncludes(error.message, `Cannot record ${of}: `, fails);
    const left = listProcesses()?.filter(({ pid, isZombie }) => {
      return !isZombie && readMarks(pid).some(({ root }) => root === cwd);
    });
    assertEquals(left ?? [], [], fails);
  }
});
