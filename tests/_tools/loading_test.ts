import { assertEquals } from "@std/assert";

const ROOT = `${import.meta.dirname}/../..`;

/** Loads modules where there is no Deno, as in Node and Bun, and prints those that minded. */
const PROGRAM = `
delete globalThis.Deno;
for (const [name, url] of Object.entries(JSON.parse(entries))) {
  await import(url).catch((error) => console.log(name, error));
}
`;

Deno.test("every module of the library loads where there is no Deno", async () => {
  const { exports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  delete exports["./cli"];
  const entries = Object.fromEntries(
    Object.entries(exports).map((
      [name, path],
    ) => [name, new URL(`../../${path}`, import.meta.url).href]),
  );
  const program = `const entries = ${JSON.stringify(JSON.stringify(entries))};${PROGRAM}`;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-lock", `--config=${ROOT}/deno.json`, program],
    stderr: "inherit",
  });
  const { code, stdout } = await command.output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, ""]);
});
