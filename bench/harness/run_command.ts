/** How often a process is asked for its memory: what it needs at most is kept by the system. */
const LOOK_EVERY_MS = 20;

/** What a process took. */
export interface Taken {
  /** From its start until it has ended. */
  milliseconds: number;
  /** Its greatest resident memory, without that of its children; undefined where nobody tells. */
  peakMib: number | undefined;
}

/** Runs a command with nothing to read and nobody to read it; throws if it fails. */
export async function runCommand(words: readonly string[], cwd: string): Promise<number> {
  const start = performance.now();
  const { success, code } = await commandOf(words, cwd).spawn().status;
  if (!success) throw new Error(`${words.join(" ")} failed: ${code}`);
  return performance.now() - start;
}

/** The same, and its memory is looked at. */
export async function runAndWatch(words: readonly string[], cwd: string): Promise<Taken> {
  const start = performance.now();
  const child = commandOf(words, cwd).spawn();
  let peakMib: number | undefined;
  const look = () => peakMib = peakOf(child.pid) ?? peakMib;
  const timer = setInterval(look, LOOK_EVERY_MS);
  const { success, code } = await child.status;
  clearInterval(timer);
  if (!success) throw new Error(`${words.join(" ")} failed: ${code}`);
  return { milliseconds: performance.now() - start, peakMib };
}

/** What a program has printed; undefined where it is not there, or fails. */
export async function outputOf(
  [program = "", ...args]: readonly string[],
  cwd?: string,
): Promise<string | undefined> {
  const where = cwd === undefined ? {} : { cwd };
  try {
    const command = new Deno.Command(program, { args, stderr: "null", ...where });
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function commandOf([program = "", ...args]: readonly string[], cwd: string): Deno.Command {
  return new Deno.Command(program, { args, cwd, stdin: "null", stdout: "null", stderr: "null" });
}

/** The greatest memory of a running process in MiB, as Linux keeps it. */
export function peakOf(pid: number): number | undefined {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    const kib = /VmHWM:\s+(\d+) kB/.exec(status)?.[1];
    return kib === undefined ? undefined : Number(kib) / 1024;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** As a table says it. */
export function mib(value: number | undefined): string {
  return value === undefined ? "not told by this system" : `${value.toFixed(0)} MiB`;
}
