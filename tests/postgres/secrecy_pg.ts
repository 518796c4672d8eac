/** Where a password goes that the command was given for a database: to the server, and nowhere else. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { taffrail } from "../cli/_command.ts";
import { withTempDir } from "../_util/temp.ts";
import { AUTHORITY } from "./_certificates.ts";
import { PASSWORD, startStrictServer } from "./_strict_server.ts";

Deno.test("a password is shown nowhere, recorded nowhere, and given to no command", async () => {
  await using server = await startStrictServer();
  await server.sql("create database runs owner ada");
  const { port, bin } = server.place;
  await withTempDir(async (cwd) => {
    const passwords = `${cwd}/passwords`;
    await Deno.writeTextFile(passwords, `*:*:*:ada:${PASSWORD}\n`, { mode: 0o600 });
    await Deno.writeTextFile(`${cwd}/authority.pem`, AUTHORITY);
    const name = `postgres://ada@localhost:${port}/runs?sslmode=verify-full`;
    const root = `${name}&sslrootcert=authority.pem`;
    const said: string[] = [];
    const command = async (args: string[], env: Record<string, string>) => {
      const { code, stdout, stderr } = await taffrail(args, {
        cwd,
        env: { PGPASSWORD: "", PGPASSFILE: "/dev/null", TAFFRAIL_ROOT: root, ...env },
      });
      assertEquals(code, 0, stderr);
      said.push(stdout, stderr);
      return stdout;
    };
    const GIVEN = { variable: { PGPASSWORD: PASSWORD }, file: { PGPASSFILE: passwords } };
    for (const [by, env] of Object.entries(GIVEN)) {
      await command(["init", "--json"], env);
      const script = "tr '\\0' '\\n' </proc/self/environ; tr '\\0' ' ' </proc/$PPID/cmdline";
      const printed = await command([
        "exec",
        "--name",
        by,
        "--",
        "sh",
        "-c",
        script,
      ], env);
      assertStringIncludes(printed, `TAFFRAIL_ROOT=${name}\n`);
      assertEquals(printed.includes(passwords), false);
      for (const verb of [["show", by], ["logs", by], ["ls"], ["verify"], ["replay", by]]) {
        await command(verb, env);
        await command([...verb, "--json"], env);
      }
    }
    assertEquals(said.join("\n").includes(PASSWORD), false);
    const dump = new Deno.Command(`${bin}/pg_dump`, { args: ["--inserts", server.url("runs")] });
    const { success, stdout } = await dump.output();
    assertEquals(success, true);
    const recorded = new TextDecoder().decode(stdout);
    assertStringIncludes(recorded, hexOf("TAFFRAIL_ROOT="));
    for (const form of [PASSWORD, hexOf(PASSWORD)]) assertEquals(recorded.includes(form), false);
  });
});

/** How bytes stand in a dump. */
function hexOf(text: string): string {
  return new TextEncoder().encode(text).toHex();
}
