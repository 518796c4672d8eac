import { assertEquals, assertRejects } from "@std/assert";
import { readNamedFile } from "../../_internal/file_port.ts";
import { withTempDir } from "../_util/temp.ts";

const ignore = Deno.build.os === "windows";

const MODULE = new URL("../../_internal/file_port.ts", import.meta.url).href;

function read(path: string): Promise<Uint8Array> {
  return readNamedFile(path, 1000);
}

Deno.test("readNamedFile() reads a regular file, by way of a link too", async () => {
  await withTempDir(async (directory) => {
    const bytes = new TextEncoder().encode("é".repeat(300));
    await Deno.writeFile(`${directory}/file`, bytes);
    await Deno.symlink(`${directory}/file`, `${directory}/link`);
    for (const name of ["file", "link"]) assertEquals(await read(`${directory}/${name}`), bytes);
  });
});

Deno.test(
  "readNamedFile() refuses at once what may hang, never end, or is not there",
  { ignore },
  async () => {
    await withTempDir(async (directory) => {
      new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync();
      await Deno.symlink(`${directory}/pipe`, `${directory}/to-pipe`);
      await Deno.symlink("/dev/zero", `${directory}/to-device`);
      await Deno.symlink(`${directory}/none`, `${directory}/dangling`);
      await Deno.mkdir(`${directory}/folder`);
      using _listener = Deno.listen({ transport: "unix", path: `${directory}/socket` });
      const cases: [string, string][] = [
        [`${directory}/pipe`, "it is a named pipe, not a regular file"],
        [`${directory}/to-pipe`, "it is a named pipe, not a regular file"],
        [`${directory}/to-device`, "it is a device, not a regular file"],
        ["/dev/zero", "it is a device, not a regular file"],
        [`${directory}/folder`, "it is a directory, not a regular file"],
        [`${directory}/socket`, "it is a socket, not a regular file"],
      ];
      for (const [path, message] of cases) {
        await assertRejects(() => read(path), TypeError, `Cannot use ${path}: ${message}`);
      }
      for (const path of [`${directory}/none`, `${directory}/dangling`]) {
        const message = `Cannot read ${path}: it does not exist`;
        await assertRejects(() => read(path), Deno.errors.NotFound, message);
      }
    });
  },
);

Deno.test("readNamedFile() reads no more than it may, whatever the system says of the size", async () => {
  await withTempDir(async (directory) => {
    await Deno.writeFile(`${directory}/most`, new Uint8Array(1000));
    assertEquals((await read(`${directory}/most`)).length, 1000);
    await Deno.writeFile(`${directory}/more`, new Uint8Array(1001));
    // The second file says that it has no bytes.
    const paths = [`${directory}/more`, "/proc/self/smaps"];
    for (const path of paths.slice(0, Deno.build.os === "linux" ? 2 : 1)) {
      const message = `Cannot read ${path}: it is over 1000 bytes`;
      await assertRejects(() => read(path), RangeError, message);
    }
  });
});

Deno.test("readNamedFile() reads what the process was given open", { ignore }, async () => {
  const code = `import { readNamedFile } from "${MODULE}";
    const read = async (path) => new TextDecoder().decode(await readNamedFile(path, 1000));
    console.log(await read(Deno.args[0]));`;
  for (
    const [shell, expected] of [
      [`printf piped | deno eval --ext=ts "$CODE" /dev/stdin`, "piped"],
      [`deno eval --ext=ts "$CODE" <(printf substituted)`, "substituted"],
      [`deno eval --ext=ts "$CODE" /dev/fd/3 3< <(printf third)`, "third"],
    ] as const
  ) {
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", shell],
      env: { CODE: code },
    }).output();
    const text = new TextDecoder();
    assertEquals(text.decode(stdout), `${expected}\n`, text.decode(stderr));
  }
});
