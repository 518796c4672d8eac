/**
 * Writes a log as a program does that knows nothing of this project: it locks the log itself, and writes
 * each line and its newline on their own. `foreign_writer.ts <path> <name> <count>`
 */
const [path = "", name = "", count = ""] = Deno.args;
const encoder = new TextEncoder();
const newline = encoder.encode("\n");

function say(n: number): void {
  Deno.stdout.writeSync(encoder.encode(`${n}\n`));
}

using file = Deno.openSync(path, { read: true, append: true, create: true });
for (let n = 1; n <= Number(count); n++) {
  file.lockSync(true);
  file.writeSync(encoder.encode(`{"writer":"${name}","n":${n}}`));
  file.writeSync(newline);
  file.unlockSync();
  if (n % 50 === 0 || n === Number(count)) say(n);
}
