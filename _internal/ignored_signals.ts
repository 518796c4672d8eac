let known: bigint | undefined;

/**
 * The signals that were ignored when this process began, as under `nohup`, as a bit mask; as far as it
 * may be known without asking for a permission. With one listener the runtime takes a signal over, so
 * it is asked for once, before any.
 */
function ignoredSignals(): bigint {
  const path = "/proc/self/status";
  if (Deno.build.os !== "linux") return 0n;
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return 0n;
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync(path));
    return BigInt(`0x${mask?.[1] ?? "0"}`);
  } catch {
    return 0n;
  }
}

/** Whether a signal was ignored when this process began; then it stays ignored. */
export function isIgnoredSignal(number: number): boolean {
  known ??= ignoredSignals();
  return (known & (1n << BigInt(number - 1))) !== 0n;
}
