import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { parseEnvFile } from "../../cli/flow/read_env_file.ts";
import { readFlow } from "../../cli/flow/read_flow.ts";
import { UsageError } from "../../cli/exit_codes.ts";
import { withTempDir } from "../_util/temp.ts";

const fail = (problem: string): never => {
  throw new SyntaxError(problem);
};

Deno.test("parseEnvFile() reads what is usual in such files, and expands nothing", () => {
  const texts: [string, Record<string, string>][] = [
    ["", {}],
    ["# nothing\n\n  # more\r\n", {}],
    ["A=1\nB = two words \r\nexport C=3", { A: "1", B: "two words", C: "3" }],
    ["A=\nB=''\nC=\"\"", { A: "", B: "", C: "" }],
    ["A=1 # one\nB=1#2\nC=#3\nD='#4' # four", { A: "1", B: "1#2", C: "", D: "#4" }],
    ['A=$HOME\nB="${A}"\nC=\'$A\'\nD="\\$A"', { A: "$HOME", B: "${A}", C: "$A", D: "$A" }],
    ['A="a\\nb\\t\\"c\\" \\\\ \\d"', { A: 'a\nb\t"c" \\ \\d' }],
    ["A='a\\nb'\nB=`it's \"it\"`", { A: "a\\nb", B: 'it\'s "it"' }],
    ['KEY="-----BEGIN\nabc\n# no comment\n-----END"\nB=2', {
      KEY: "-----BEGIN\nabc\n# no comment\n-----END",
      B: "2",
    }],
    ["A=it's\nB=x=y", { A: "it's", B: "x=y" }],
    ["A=1\nA=2", { A: "2" }],
    ["__proto__=x", JSON.parse('{"__proto__":"x"}')],
  ];
  for (const [text, expected] of texts) assertEquals(parseEnvFile(text, fail), expected, text);
});

Deno.test("parseEnvFile() names the line that is wrong, and never a value", () => {
  const mistakes: [string, string][] = [
    ["A=1\nhunter2\n", "whose line 2 is no NAME=value and no comment"],
    ["1A=hunter2", "whose line 1 is no NAME=value and no comment"],
    ['A=1\n\nB="hunter2\nC=3\n', 'whose line 3 has a " without the one that ends it'],
    ["A='a\nb' hunter2", "whose line 2 has something behind the ' that ends its value"],
    ["A=hunter2\0", 'whose line 1 has a NUL in the value of "A"'],
    [
      "TAFFRAIL_ROOT=x",
      'whose line 1 sets the variable "TAFFRAIL_ROOT", which is set for every node',
    ],
  ];
  for (const [text, says] of mistakes) {
    assertEquals(assertThrows(() => parseEnvFile(text, fail), SyntaxError).message, says);
  }
});

Deno.test("readFlow() gives every node the variables of the env_file, below those of env", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/f.json`;
    const write = (flow: object) =>
      Deno.writeTextFile(path, JSON.stringify({ name: "f", ...flow }));
    const nodes = { a: { run: ["x"] }, b: { run: ["x"], env: { C: "node" } } };
    await Deno.mkdir(`${directory}/sub`);
    await Deno.writeTextFile(`${directory}/sub/.env`, "A=file\nB=file\nC=file\n");
    await write({ env_file: "sub/.env", env: { B: "flow", C: "flow" }, nodes });
    const [a, b] = (await readFlow(path)).nodes;
    assertEquals(a!.env, { A: "file", B: "flow", C: "flow" });
    assertEquals(b!.env, { A: "file", B: "flow", C: "node" });

    const refused = async (envFile: unknown, says: string) => {
      await write({ env_file: envFile, nodes });
      const { message } = await assertRejects(() => readFlow(path), UsageError);
      assertEquals(message, `Cannot run ${path}: it has ${says}`);
    };
    await refused("none", `the env_file ${directory}/none, which does not exist`);
    await refused("sub", `the env_file ${directory}/sub, which is no file`);
    await refused(1, 'a "env_file" that is no text, or an empty one');
    await Deno.writeFile(`${directory}/bytes`, Uint8Array.of(65, 61, 255));
    await refused("bytes", `the env_file ${directory}/bytes, which is not UTF-8`);
  });
});
