/** A program that cannot be executed keeps its real error. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { NotStartedError } from "../../cli/process/cannot_run.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";
import { type NodeParts, placeIn } from "./_place.ts";

const IS_LINUX = Deno.build.os === "linux";

/** A program in a directory, and what is said when it is run. */
interface Case {
  make?: (path: string, cwd: string) => void | Promise<void>;
  node?: (cwd: string) => NodeParts & { run?: string[] };
  code: string;
  says: string[];
}

function write(path: string, bytes: string | number[], mode = 0o755): void {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : new Uint8Array(bytes);
  Deno.writeFileSync(path, data, { mode });
}

/** The running Deno's own head, as if it were for another machine. */
function foreignElf(): number[] {
  const head = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...Array(9).fill(0), 2, 0, 0xf3, 0];
  return [...head, ...Array(100).fill(0)];
}

const CASES: Record<string, Case> = {
  "an interpreter that is missing": {
    make: (path) => write(path, "#!/nope -x\necho hi\n"),
    code: "ENOENT",
    says: ['its first line asks for "/nope", which is missing', "No such file or directory"],
  },
  "a script with the line ends of Windows": {
    make: (path) => write(path, "#!/bin/sh\r\necho hi\r\n"),
    code: "ENOENT",
    says: ['asks for "/bin/sh\\r", which is missing', "save it with the line ends of Unix"],
  },
  "an interpreter that is a folder": {
    make: (path) => write(path, "#!/tmp\n"),
    code: "EACCES",
    says: ['asks for "/tmp", which is not executable', "Permission denied"],
  },
  "garbage": {
    make: (path) => write(path, [1, 2, 3, 0, 5, 10, 65]),
    code: "ENOEXEC",
    says: ["it is no program for this system", "Exec format error"],
  },
  "a program of another machine": {
    make: (path) => write(path, foreignElf()),
    code: "ENOEXEC",
    says: ["it is no program for this system", "Exec format error"],
  },
  "a program of Windows": {
    make: (path) => write(path, [0x4d, 0x5a, 0x90, 0, 3, 0, 0, 0]),
    code: "ENOEXEC",
    says: ["Exec format error"],
  },
  "a file without the permission": {
    make: (path) => write(path, "#!/bin/sh\n", 0o644),
    code: "EACCES",
    says: ["it is not executable (Permission denied, EACCES): chmod +x it"],
  },
  "a folder": {
    make: (path) => Deno.mkdirSync(path),
    code: "EACCES",
    says: ["it is a folder (Permission denied, EACCES)"],
  },
  "a program that is gone": {
    code: "ENOENT",
    says: ["it is gone (No such file or directory, ENOENT): make it again"],
  },
  "a link to itself": {
    make: (path) => Deno.symlinkSync(path, path),
    code: "ELOOP",
    says: ["Too many levels of symbolic links, ELOOP"],
  },
  "arguments that are too long": {
    make: (path) => Deno.symlinkSync("/bin/true", path),
    node: () => ({ run: ["p", "x".repeat(200_000)] }),
    code: "E2BIG",
    says: ["too long (Argument list too long, E2BIG): hand them over in a file"],
  },
  "variables that are too long": {
    make: (path) => Deno.symlinkSync("/bin/true", path),
    node: () => ({ env: { LONG: "x".repeat(200_000) } }),
    code: "E2BIG",
    says: ["Argument list too long"],
  },
  "a cwd that is gone": {
    make: (path) => Deno.symlinkSync("/bin/true", path),
    node: (cwd) => ({ cwd: `${cwd}/gone` }),
    code: "ENOENT",
    says: ["/gone is gone (", "make that folder again"],
  },
  "a cwd that is a file": {
    make: (path) => {
      Deno.symlinkSync("/bin/true", path);
      write(`${path}.txt`, "");
    },
    node: (cwd) => ({ cwd: `${cwd}/p.txt` }),
    code: "ENOENT",
    says: ["/p.txt is no folder ("],
  },
};

/** Runs what stands at `p`, and gives what is recorded of it. */
async function startAt(cwd: string, node: NodeParts & { run?: string[] } = {}) {
  const { run, held } = placeIn(cwd, { a: { run: ["p"], program: `${cwd}/p`, ...node } });
  const ended = await run("a");
  // Nothing was started, so there is no process to tell of.
  assertEquals(held.calls, []);
  return ended;
}

for (const [name, { make, node, code, says }] of Object.entries(CASES)) {
  Deno.test({
    name: `${name} cannot be run, and is not tried again`,
    ignore: !IS_LINUX,
    fn: () =>
      withTempDir(async (cwd) => {
        await make?.(`${cwd}/p`, cwd);
        const { termination, end } = await startAt(cwd, node?.(cwd));
        assertEquals(termination, { Failed: "ValidationFailed" });
        const { message, ...error } = end.error!;
        assertEquals([error, end.duration_ms], [
          { name: "NotStartedError", code, kind: "host_missing" },
          0,
        ]);
        assertEquals(message.startsWith(`Cannot run ${cwd}/p: `), true, message);
        for (const part of says) assertStringIncludes(message, part);
        assert(!/Failed to spawn|os error/.test(message), message);
      }),
  });
}

Deno.test({
  name: "a program that is open for writing cannot be run",
  ignore: !IS_LINUX,
  fn: () =>
    withTempDir(async (cwd) => {
      await Deno.copyFile("/bin/true", `${cwd}/p`);
      await Deno.chmod(`${cwd}/p`, 0o755);
      using _ = await Deno.open(`${cwd}/p`, { write: true });
      const { termination, end } = await startAt(cwd);
      assertEquals(termination, { Failed: "ValidationFailed" });
      assertEquals(end.error, {
        name: "NotStartedError",
        message: `Cannot run ${cwd}/p: it is open for writing (Text file busy, ETXTBSY): ` +
          "let whatever writes it end first",
        code: "ETXTBSY",
        kind: "host_missing",
      });
    }),
});

Deno.test({
  name: "a program on a file system that is mounted noexec cannot be run",
  ignore: !IS_LINUX || Deno.uid() !== 0,
  fn: () =>
    withTempDir(async (cwd) => {
      const mount = await new Deno.Command("mount", {
        args: ["-t", "tmpfs", "-o", "noexec,size=1m", "tmpfs", cwd],
        stderr: "null",
      }).output();
      if (!mount.success) return;
      try {
        write(`${cwd}/p`, "#!/bin/sh\n");
        const { termination, end } = await startAt(cwd);
        assertEquals([termination, end.error?.code], [{ Failed: "ValidationFailed" }, "EACCES"]);
        assertStringIncludes(end.error!.message, "mounted noexec");
      } finally {
        await new Deno.Command("umount", { args: ["-l", cwd] }).output();
      }
    }),
});

Deno.test({
  name: "a text without #! is a script of sh, as for every shell",
  ignore: !IS_LINUX,
  fn: () =>
    withTempDir(async (cwd) => {
      write(`${cwd}/p`, "echo said; exit 3\n");
      const { run } = placeIn(cwd, { a: { run: ["p"], program: `${cwd}/p` } });
      const { termination, end } = await run("a");
      assertEquals([termination, end.exit_code], [{ Failed: "RuntimeError" }, 3]);
      assertEquals(await Deno.readTextFile(`${cwd}/a.1.out`), "said\n");
    }),
});

Deno.test("what the system is short of for the moment may be tried again", () => {
  for (const [number, code] of [[11, "EAGAIN"], [24, "EMFILE"], [23, "ENFILE"], [12, "ENOMEM"]]) {
    const cause = new Error(`Failed to spawn '/bin/true': Word of the system (os error ${number})`);
    const error = NotStartedError.of(cause, { program: "/bin/true", cwd: "/" });
    assertEquals(error.termination, { Failed: "AdapterUnavailable" });
    assertEquals(error.record.code, code as string);
    assertStringIncludes(error.message, `(Word of the system, ${code}): run less at a time`);
  }
});

Deno.test("taffrail exec says that PATH is not set where it is not", async () => {
  await withTempDir(async (cwd) => {
    const { code, stderr } = await taffrail(["exec", "--", "no-such-program"], {
      cwd,
      env: { PATH: "" },
    });
    assertEquals(code === 0, false);
    assertStringIncludes(
      stderr,
      'Cannot run "no-such-program", which is not on the PATH, which is not set: set it, or write',
    );
  });
});
