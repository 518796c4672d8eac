import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  canTrace,
  commandLineOf,
  descriptorOf,
  isSync,
  parseTrace,
  pathOf,
  traceCalls,
  writtenText,
} from "./system_calls.ts";
import { withTempDir } from "./temp.ts";

const TRACE =
  `10 execve("/usr/bin/true", ["true", "a \\"b\\" \\303\\251", "x\\n"], 0x7f /* 20 vars */) = 0
10 write(5</tmp/a.jsonl>, "{\\"a\\":1}\\n", 8) = 8
11 fdatasync(5</tmp/a.jsonl> <unfinished ...>
10 writev(1<pipe:[77]>, [{iov_base="on", iov_len=2}, {iov_base="e\\0\\n", iov_len=3}], 2) = 5
11 <... fdatasync resumed>)                = 0
12 fsync(6</tmp> <unfinished ...>
--- what is no call of a process is passed over
10 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=12, si_uid=0, si_status=0} ---
10 write(5</tmp/a.jsonl>, "abcdef", 6)      = 3
10 write(5</tmp/a.jsonl>, "abc", 3)         = -1 ENOSPC (No space left on device)
13 execve("/a/true", ["true"], 0x7f /* 20 vars */ <unfinished ...>
13 <... execve resumed>)                   = -1 ENOENT (No such file or directory)
10 +++ exited with 0 +++
`;

Deno.test("a trace is read call by call, with the places of begin and end", () => {
  const calls = parseTrace(TRACE);
  assertEquals(
    calls.map(({ pid, name, began, ended, result }) => [pid, name, began, ended, result]),
    [
      [10, "execve", 0, 0, 0],
      [10, "write", 1, 1, 8],
      [11, "fdatasync", 2, 4, 0],
      [10, "writev", 3, 3, 5],
      [12, "fsync", 5, Infinity, undefined],
      [10, "write", 8, 8, 3],
      [10, "write", 9, 9, -1],
      [13, "execve", 10, 11, -1],
    ],
  );
});

Deno.test("calls of threads that were killed under the trace never ended", () => {
  const calls = parseTrace(
    `12 syscall_0x98e(0, 0x55d72f095440, 0x98e, 0x10, 0, 0 <detached ...>
13 fsync(6</tmp> <detached ...>
14 ????( <unavailable>) = ?
15 fsync(6</tmp>) = ? <unavailable>
16 fsync(6</tmp> <unfinished ...>
16 <... fsync resumed> <detached ...>
12 +++ exited with 0 +++
`,
  );
  assertEquals(calls.map(({ pid, name, result }) => [pid, name, result]), [
    [12, "syscall_0x98e", undefined],
    [13, "fsync", undefined],
    [14, "????", undefined],
    [15, "fsync", undefined],
    [16, "fsync", undefined],
  ]);
  assertEquals(calls.map(isSync), [false, false, false, false, false]);
  assertEquals(calls[1]!.ended, Infinity);
});

Deno.test("of a call the file, what was written and what was started are known", () => {
  const calls = parseTrace(TRACE);
  assertEquals(commandLineOf(calls[0]!), ["true", 'a "b" é', "x\n"]);
  assertEquals(commandLineOf(calls[7]!), ["true"]);
  assertEquals(calls.slice(1).map(pathOf), [
    "/tmp/a.jsonl",
    "/tmp/a.jsonl",
    "pipe:[77]",
    "/tmp",
    "/tmp/a.jsonl",
    "/tmp/a.jsonl",
    undefined,
  ]);
  assertEquals(calls.map(descriptorOf), [undefined, 5, 5, 1, 6, 5, 5, undefined]);
  // A short write counts as far as it went, one that failed not at all.
  assertEquals(calls.map(writtenText), [
    undefined,
    '{"a":1}\n',
    undefined,
    "one\0\n",
    undefined,
    "abc",
    undefined,
    undefined,
  ]);
  assertEquals(calls.map(isSync), [false, false, true, false, false, false, false, false]);
});

Deno.test("a trace that cannot be read is refused, not passed over", () => {
  assertThrows(() => parseTrace("10 <... fsync resumed>) = 0"), Error, "no begin");
  assertThrows(() => parseTrace("10 what is this"), Error, "what is this");
  const [cut] = parseTrace('10 write(1</a>, "abc"..., 900) = 900');
  assertThrows(() => writtenText(cut!), Error, "was cut");
});

Deno.test({
  name: "a real program is traced, with its threads and children (needs strace)",
  ignore: !canTrace(),
  fn: () =>
    withTempDir(async (cwd) => {
      const script = `
        const file = Deno.openSync("log", { create: true, append: true });
        file.writeSync(new TextEncoder().encode("é\\t\\0é\\n"));
        await file.syncData();
        await new Deno.Command("true", { args: ["child"] }).output();`;
      const command = [Deno.execPath(), "eval", script];
      const { code, stderr, calls } = await traceCalls(command, { cwd, trace: `${cwd}/trace` });
      assertEquals([code, stderr], [0, ""]);
      const wrote = calls.find((call) => pathOf(call) === `${cwd}/log` && call.name === "write")!;
      const synced = calls.find((call) => pathOf(call) === `${cwd}/log` && isSync(call))!;
      const started = calls.find((call) => commandLineOf(call)[1] === "child")!;
      assertEquals(writtenText(wrote), "é\t\0é\n");
      assert(wrote.ended < synced.began);
      assert(synced.ended < started.began);
    }),
});
