/** The files that a run leaves, as `--effects` names them, and in what they differ. */
import { denoFilePort, readFileSync } from "../../_internal/file_port.ts";
import { join } from "../../_internal/path.ts";
import { reasonOf, toHex } from "../../_internal/text.ts";
import { lookAt } from "../files.ts";
import { counted } from "../text/printable.ts";

/** A file as a run left it. */
interface Effect {
  /** The digest of its bytes; of one that cannot be read why. */
  digest: string;
  /** Its lines in an order of their own; undefined of what is no text, or very long. */
  lines: readonly string[] | undefined;
}

/** Files by their paths in the folder. */
export type Effects = ReadonlyMap<string, Effect>;

/** In what a file differs. */
export interface EffectDifference {
  /** The file. */
  path: string;
  /** `lines`: in how many it has, or whether it is there; `content`: in what these say. */
  of: "lines" | "content";
  /** Both, in words. */
  text: string;
}

/** What is longer has no lines. */
const MOST_BYTES = 4 * 1024 * 1024;

/** What stands for the id of the run, which each run has another one of. */
const RUN = "RUN_ID";

/** Reads the files at these paths below a folder, and all that are below them. */
export async function readEffects(
  { folder, runId }: { folder: string; runId: string },
  paths: readonly string[],
): Promise<Effects> {
  const effects = new Map<string, Effect>();
  const readInto = async (path: string): Promise<void> => {
    const file = join(folder, path);
    const info = lookAt(file);
    if (info === undefined) return;
    if (!info.isDirectory) {
      effects.set(path.replaceAll(runId, RUN), await readEffect(file, runId));
      return;
    }
    for await (const { name } of Deno.readDir(file)) await readInto(join(path, name));
  };
  for (const path of paths) await readInto(path);
  return effects;
}

async function readEffect(path: string, runId: string): Promise<Effect> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = readFileSync(denoFilePort, path) as Uint8Array<ArrayBuffer>;
  } catch (error) {
    return { digest: reasonOf(error), lines: undefined };
  }
  const digest = toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
  return { digest, lines: bytes.length > MOST_BYTES ? undefined : linesOf(bytes, runId) };
}

function linesOf(bytes: Uint8Array, runId: string): string[] | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    const lines = text.replaceAll(runId, RUN).split("\n");
    if (lines.at(-1) === "") lines.pop();
    // What runs at the same time writes its lines in any order.
    return lines.sort();
  } catch {
    // It is no UTF-8.
    return undefined;
  }
}

/** In what files differ from those of an undisturbed run. */
export function compareEffects(expected: Effects, found: Effects): EffectDifference[] {
  const paths = [...new Set([...expected.keys(), ...found.keys()])].sort();
  return paths.flatMap((path) => {
    const [before, now] = [expected.get(path), found.get(path)];
    const text = (of: EffectDifference["of"], text: string) => [{ path, of, text }];
    if (before === undefined) return text("lines", `${path} is there, and should not be`);
    if (now === undefined) return text("lines", `${path} is missing`);
    if (before.digest === now.digest) return [];
    if (before.lines === undefined || now.lines === undefined) {
      return text("content", `${path} has other content`);
    }
    const [wanted, lines] = [before.lines, now.lines];
    if (lines.length !== wanted.length) {
      return text(
        "lines",
        `${path} has ${counted(lines.length, "line")} instead of ${wanted.length}`,
      );
    }
    const other = lines.filter((line, index) => line !== wanted[index]).length;
    return other === 0 ? [] : text("content", `${path} has other content`);
  });
}
