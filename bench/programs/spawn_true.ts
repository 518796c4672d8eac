/** Starts `true` as often as it is told, one after the other, and does nothing else. */
for (let count = Number(Deno.args[0] ?? 1); count > 0; count--) {
  const { success } = await new Deno.Command("true").spawn().status;
  if (!success) throw new Error("true failed");
}
