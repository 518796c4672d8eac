/**
 * Starts `true` as often as it is told, one after the other, each in a process group of its own with
 * pipes for its outputs, and each behind a line that is on disk: what a run cannot do without.
 *
 * Usage: `spawn_durably.ts COUNT`, in a directory that it may write to
 */
const line = new TextEncoder().encode(`${JSON.stringify({ line: 1, text: "x".repeat(1000) })}\n`);
const file = Deno.openSync("lines.jsonl", { append: true, create: true });
for (let count = Number(Deno.args[0] ?? 1); count > 0; count--) {
  file.writeSync(line);
  file.syncDataSync();
  const child = new Deno.Command("true", {
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const ends = [child.stdout, child.stderr].map((output) => output.pipeTo(new WritableStream()));
  const { success } = await child.status;
  await Promise.all(ends);
  if (!success) throw new Error("true failed");
}
