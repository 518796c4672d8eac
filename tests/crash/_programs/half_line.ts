/**
 * Holds the lock of a log inside of a line: writes half of it, says so, and writes the rest when it is
 * given a line. `half_line.ts <path>`
 */
const [path = ""] = Deno.args;
const encoder = new TextEncoder();

using file = Deno.openSync(path, { read: true, append: true });
file.lockSync(true);
file.writeSync(encoder.encode('{"n":'));
Deno.stdout.writeSync(encoder.encode("half\n"));
Deno.stdin.readSync(new Uint8Array(1));
file.writeSync(encoder.encode("2}\n"));
file.unlockSync();
