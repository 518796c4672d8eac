/** Processes that get a signal, or meet a full disk, at a given operation on a file of their run. */
import { denoFilePort, type FileHandle } from "../../_internal/file_port.ts";

/** Where a process meets its end. */
export interface Point {
  /** How the path of the file ends. */
  file: string;
  /**
   * The operation: a line with this text in it is appended, the file is put into its place, or it is
   * removed.
   */
  at: { line: string } | "replace" | "remove";
  /** Which of those operations it is, from 1; the first when left out. */
  nth?: number;
  /**
   * What happens there: the process gets a signal before it, or behind it, or the disk is full from then on
   * for this file.
   */
  how: "before" | "behind" | "full";
  /** The signal; SIGKILL when left out. */
  signal?: Deno.Signal;
}

/** Has this process meet its end at a point. */
export function endAt({ file, at, nth = 1, how, signal = "SIGKILL" }: Point): void {
  let count = 0;
  let isFull = false;
  const perform = <T>(isPoint: boolean, operation: () => T): T => {
    const isHere = isPoint && ++count === nth;
    if (isHere && how === "before") signalSelf(signal);
    isFull ||= isHere && how === "full";
    if (isFull) throw new Error("No space left on device (os error 28)");
    const result = operation();
    if (isHere && how === "behind") signalSelf(signal);
    return result;
  };
  const { openSync, renameSync, removeSync } = denoFilePort;
  denoFilePort.openSync = (path, options) => {
    const handle = openSync(path, options);
    if (!path.endsWith(`/${file}`) || typeof at === "string") return handle;
    return watched(handle, (text, write) => perform(text.includes(at.line), write));
  };
  const isPoint = (operation: Point["at"], path: string) => {
    return at === operation && path.endsWith(`/${file}`);
  };
  denoFilePort.renameSync = (from, to) => {
    if (isPoint("replace", to)) perform(true, () => renameSync(from, to));
    else renameSync(from, to);
  };
  denoFilePort.removeSync = (path, options) => {
    if (isPoint("remove", path)) perform(true, () => removeSync(path, options));
    else removeSync(path, options);
  };
}

function watched(
  handle: FileHandle,
  perform: (text: string, write: () => number) => number,
): FileHandle {
  const write = handle.writeSync.bind(handle);
  handle.writeSync = (bytes) => perform(new TextDecoder().decode(bytes), () => write(bytes));
  return handle;
}

function signalSelf(signal: Deno.Signal): void {
  Deno.kill(Deno.pid, signal);
  if (signal === "SIGKILL") throw new Error("unreachable");
}
