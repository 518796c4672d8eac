/**
 * The JUnit file of a run that is made by this process. What is always true:
 *
 * - **It never tells of another run**: before anything is begun it says that the run has no end, which stands where
 *   this is killed.
 * - It is replaced as a whole, and where it cannot be written that is told before anything is begun.
 */
import { dirname } from "../../_internal/path.ts";
import { encodeUtf8, reasonOf } from "../../_internal/text.ts";
import type { RunView } from "../../run/types.ts";
import { optionError, StoppedError, UsageError } from "../exit_codes.ts";
import { exists } from "../files.ts";
import { processesIn, processLinesOf } from "../process/process_log.ts";
import { cannotWrite, writeFile } from "../written_file.ts";
import { junitOfProblem } from "./junit.ts";

/** Writes it. */
export class JunitFile {
  /** Whether it tells of the run, as that has ended. */
  isOfRun = false;
  /** What is run, as far as that is known. */
  name: string;
  readonly #path: string;

  private constructor(path: string, name: string) {
    this.#path = path;
    this.name = name;
  }

  /**
   * Writes that there is no end yet.
   *
   * @throws {UsageError} If it cannot be written.
   */
  static async begin(path: string, name: string): Promise<JunitFile> {
    if (path === "-" || path === "") throw optionError("junit", path, "name a file");
    const file = new JunitFile(path, name);
    const problem = "it has no end: what runs it was killed, or is at work";
    try {
      await writeJunit(path, junitOfProblem(name, { type: "unfinished", problem }));
    } catch (cause) {
      throw new UsageError(reasonOf(cause), { cause });
    }
    return file;
  }

  /** Writes how the run has ended. */
  async endWith(xml: string): Promise<void> {
    await writeJunit(this.#path, xml);
    this.isOfRun = true;
  }

  /** Writes why there is no run, or why what it came to is not known. */
  async failWith(error: unknown): Promise<void> {
    const type = error instanceof StoppedError ? "cancelled" : "error";
    const problem = reasonOf(error);
    await writeJunit(this.#path, junitOfProblem(this.name, { type, problem }));
  }
}

/**
 * Does what makes a run, and sees to it that the file tells of it, also of what keeps it from beginning.
 *
 * @param path The file; undefined where none is asked for.
 * @param name What is run, as far as that is known.
 * @param does What makes the run, and hands the file to its display.
 */
export async function withJunitFile<T>(
  path: string,
  { name, does }: { name: string; does: (junit: JunitFile) => Promise<T> },
): Promise<T> {
  const junit = await JunitFile.begin(path, name);
  try {
    return await does(junit);
  } catch (error) {
    if (!junit.isOfRun) await junit.failWith(error).catch(() => {});
    throw error;
  }
}

/** Replaces the file; a new one is everybody's to read that may read what its folder has. */
export async function writeJunit(path: string, xml: string): Promise<void> {
  const toError = (cause: unknown) => cannotWrite(path, cause, "--junit");
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    // What collects reports may be another user; what is there keeps its mode.
    if (!exists(path)) (await Deno.open(path, { write: true, createNew: true })).close();
  } catch (cause) {
    throw toError(cause);
  }
  await writeFile(path, encodeUtf8(xml), { toError });
}

/** The machine on which the first attempt was made of which that is recorded. */
export async function hostOf(view: RunView): Promise<string | undefined> {
  for (const { host } of processesIn(await processLinesOf(view)).values()) {
    if (host !== undefined) return host;
  }
  return undefined;
}
