/** Exports a run: which of it, and to where. What is cut off leaves nothing in the place of the file. */
import { sweepTempsSync } from "../../_internal/atomic_replace.ts";
import { denoFilePort, isNotFound } from "../../_internal/file_port.ts";
import { basename, dirname } from "../../_internal/path.ts";
import { reasonOf, writeRemedy } from "../../_internal/text.ts";
import type { RunsRoot, RunView } from "../../run/types.ts";
import type { TakenParts } from "../engine/receive_parts.ts";
import { partsOf, RestingRun } from "../engine/run_parts.ts";
import { UsageError } from "../exit_codes.ts";
import { STDOUT } from "../files.ts";
import { isRedacted } from "../reading/open_root.ts";
import { refuseName, writeFile } from "../written_file.ts";
import { archiveBytes, measureRun } from "./write_archive.ts";

/** Which run is exported, and how. */
interface ExportOptions {
  runs: RunsRoot;
  runId: string;
  /** The path of the file, or {@linkcode STDOUT}. */
  target: string;
  /** Whether a file that is there is replaced. */
  force: boolean;
  /** Whether what may be private is left out. */
  redact: boolean;
  /** Ends it. */
  signal: AbortSignal;
  /** Told how far it is. */
  onProgress: (text: string, bytes: number) => void;
}

/** What was exported. */
export interface ExportedRun extends TakenParts {
  redacted: boolean;
  /** How many lines were too long to be read, and are replaced. */
  replaced: number;
  /** How many bytes the archive has. */
  archiveBytes: number;
}

/** Exports a run. */
export async function exportRun(options: ExportOptions): Promise<ExportedRun> {
  const { runs, runId, target, redact, signal, onProgress } = options;
  refuseTarget(options);
  const resting = await RestingRun.of(runs, runId, "export");
  let replaced = 0;
  const { view } = resting;
  const redacted = redact || await isRedacted(view);
  const readParts = redact ? await redacting(view) : partsOf;
  const read = () => {
    replaced = 0;
    return readParts(view, { onReplaced: () => void replaced++ });
  };
  const measured = await measureRun(runId, read, {
    ...{ redacted, signal },
    onProgress: (bytes) => onProgress("reading", bytes),
  });
  let size = 0;
  async function* bytes(): AsyncGenerator<Uint8Array, void> {
    const writing = { signal, onProgress: (bytes: number) => onProgress("writing", bytes) };
    for await (const block of archiveBytes(measured, read, writing)) {
      yield block;
      size += block.length;
    }
    await resting.check();
  }
  await (target === STDOUT ? writeToStdout(bytes()) : writeToFile(bytes(), options));
  return { ...measured.amounts, redacted, replaced, archiveBytes: size };
}

/** What reads a run without what may be private. */
async function redacting(view: RunView): Promise<typeof partsOf> {
  const { redactedPartsOf, refuseUnknown } = await import("../redact/redacted_parts.ts");
  await refuseUnknown(view);
  return redactedPartsOf;
}

function refuseTarget({ target, force }: ExportOptions): void {
  if (target === STDOUT) {
    if (!Deno.stdout.isTerminal()) return;
    const remedy = "name a file with -o, or pass it on by | or >";
    throw new UsageError(`Cannot write an archive to a terminal: ${remedy}`);
  }
  refuseName(target, { force });
}

async function writeToFile(
  bytes: AsyncIterable<Uint8Array>,
  { target, force }: ExportOptions,
): Promise<void> {
  const toError = (cause: unknown) => {
    const [reason, remedy] = isNotFound(cause)
      ? ["its directory is not there", "make that"]
      : [reasonOf(cause), writeRemedy(cause)];
    const problem = `${reason}; ${remedy}, or name another file with -o`;
    return new Error(`Cannot write ${target}: ${problem}`, { cause });
  };
  try {
    // What was left by one that was killed.
    sweepTempsSync(denoFilePort, dirname(target), (name) => name === basename(target));
  } catch (error) {
    throw toError(error);
  }
  await writeFile(target, bytes, { force, toError });
}

async function writeToStdout(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const block of bytes) {
    try {
      for (let rest = block; rest.length > 0;) {
        rest = rest.subarray(await Deno.stdout.write(rest));
      }
    } catch (cause) {
      throw new Error(`Cannot write the archive: ${reasonOf(cause)}`, { cause });
    }
  }
}
