/** What is no text cannot be given to a command as it is: it is refused, and nothing else is run in its place. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn } from "../_util/files.ts";
import { withTempDir } from "../_util/temp.ts";
import { taffrail } from "./_command.ts";

/** How `taffrail` is started by a shell, which may write any bytes. */
const STARTS: { what: string; shell: string; args: string[]; code?: number; says: string }[] = [
  {
    what: "an argument of a command",
    shell: `"$@" exec -- printf %s "$(printf 'caf\\351 a%%')"`,
    args: [],
    says:
      'Cannot use the argument "caf\\351\\040a\\045": it is not UTF-8, and would become another one; ' +
      `a shell can make it for a command: sh -c 'COMMAND "$(printf "caf\\351\\040a\\045")"'`,
  },
  {
    what: "the path of a flow",
    shell: `"$@" run "$(printf '\\351.json')"`,
    args: [],
    says: 'Cannot use the argument "\\351.json": it is not UTF-8',
  },
  {
    what: "a root",
    shell: `"$@" --root "$(printf '\\351')"`,
    args: ["ls"],
    says: 'Cannot use the argument "\\351": it is not UTF-8',
  },
  {
    what: "the PATH",
    shell: `PATH="$(printf '/caf\\351'):$PATH" "$@"`,
    args: ["exec", "--", "true"],
    code: 125,
    says: "Cannot work with what is not UTF-8: ",
  },
];

for (const { what, shell, args, code = 2, says } of STARTS) {
  Deno.test({
    name: `${what} that is not UTF-8 is refused, and nothing is started`,
    ignore: Deno.build.os !== "linux",
    fn: () =>
      withTempDir(async (cwd) => {
        const ended = await taffrail(args, { cwd, shell });
        assertEquals([ended.code, ended.stdout], [code, ""], ended.stderr);
        assertStringIncludes(ended.stderr, says);
        if (args[0] !== "exec") assertEquals(namesIn(cwd), []);
      }),
  });
}

Deno.test({
  name: "a shell can make an argument that is not UTF-8, as the refusal says",
  ignore: Deno.build.os !== "linux",
  fn: () =>
    withTempDir(async (cwd) => {
      const command = ["sh", "-c", 'printf %s "$(printf "caf\\351")" | od -An -tx1'];
      const { code, stdout } = await taffrail(["exec", "--", ...command], { cwd });
      assertEquals([code, stdout.trim()], [0, "63 61 66 e9"]);
    }),
});

Deno.test("the character U+FFFD itself is an argument like any other", {
  ignore: Deno.build.os !== "linux",
}, () =>
  withTempDir(async (cwd) => {
    const { code, stdout } = await taffrail(["exec", "--", "printf", "%s", "\ufffd"], { cwd });
    assertEquals([code, stdout], [0, "\ufffd"]);
  }));
