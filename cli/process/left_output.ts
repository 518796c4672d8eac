/**
 * What processes print that have lost their supervisor. Nobody has the other ends of their pipes any more, so that
 * the next print would end them: whoever waits for them takes it, and throws it away.
 *
 * - Only pipes that a command was started with are taken, and none that somebody reads: there it would be missing.
 * - Where that cannot be told, as another user's program may be the reader, nothing is taken.
 */
import { listProcesses } from "./processes.ts";

/** Takes what some commands print from now on, as long as they do; on Linux, elsewhere nothing. */
export function takeLeftOutput(commands: readonly number[]): void {
  if (commands.length === 0) return;
  const read = pipesRead(commands);
  if (read === undefined) return;
  const taken = new Set<string>();
  for (const pid of commands) {
    for (const { pipe, path } of pipesOf(pid, ["1", "2"]) ?? []) {
      if (read.has(pipe) || taken.has(pipe)) continue;
      taken.add(pipe);
      // It ends with whoever has the pipe; nobody waits for that.
      void drain(path).catch(() => {});
    }
  }
}

async function drain(path: string): Promise<void> {
  // Linux opens the same pipe anew, and waits for nobody as that has no name.
  using file = await Deno.open(path);
  const buffer = new Uint8Array(64 * 1024);
  while (await file.read(buffer) !== null);
}

/** The pipes that somebody reads; undefined where a process of the commands' groups does not show its files. */
function pipesRead(commands: readonly number[]): Set<string> | undefined {
  const read = new Set<string>();
  for (const { pid, group, isZombie } of listProcesses() ?? []) {
    const pipes = isZombie ? [] : pipesOf(pid);
    if (pipes === undefined && commands.includes(group)) return undefined;
    for (const { pipe, isRead } of pipes ?? []) if (isRead) read.add(pipe);
  }
  return read;
}

interface OpenPipe {
  /** What tells it from all others: `pipe:[123]`. */
  pipe: string;
  path: string;
  isRead: boolean;
}

/** The pipes that a process has open; undefined where it does not show them. */
function pipesOf(pid: number, wanted?: readonly string[]): OpenPipe[] | undefined {
  const directory = `/proc/${pid}/fd`;
  try {
    const files = wanted ?? Array.from(Deno.readDirSync(directory), ({ name }) => name);
    return files.flatMap((name) => {
      const path = `${directory}/${name}`;
      const pipe = orNone(() => Deno.readLinkSync(path));
      if (!pipe?.startsWith("pipe:")) return [];
      const info = orNone(() => Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`)) ?? "";
      // Octal; the last two bits are 1 where it is only written.
      const flags = parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
      return [{ pipe, path, isRead: (flags & 3) !== 1 }];
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    return undefined;
  }
}

/** It may be closed at any time. */
function orNone(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
