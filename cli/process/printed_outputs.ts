/**
 * What the commands of a run find of what others have printed: in `TAFFRAIL_OUTPUT_<NEED>` the path of the
 * output of each node that they need, whether this process ran it or one before it, which only the log tells.
 *
 * What a database keeps is fetched into a folder that this process alone may read, once for all that need it, and
 * that goes with the run: of a root of files the file itself is named.
 */
import { isNotFound } from "../../_internal/file_port.ts";
import { isWindows, join } from "../../_internal/path.ts";
import { outputName, outputPath } from "../../_internal/root_layout.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { RunFold } from "../../eventlog/derive_run_state.ts";
import type { NodeAttempt, OutputRef, RunView } from "../../run/types.ts";
import { removeIfThere } from "../files.ts";
import type { FlowNode } from "../flow/flow.ts";
import { NeededOutputs, outputVariable } from "../flow/output_variables.ts";
import { isOfFiles } from "../reading/open_root.ts";
import { formatSize } from "../text/units.ts";
import { DIGEST_OF_NOTHING, fetchOutput, hashOutput } from "./output_file.ts";

/** What is known of what an attempt printed. */
interface Printed {
  /** Which attempt. */
  attempt: number;
  /** The digest of what is kept of it; undefined where nobody has seen its end. */
  hash: string | undefined;
  /** How many bytes of it were left out. */
  cut: number | undefined;
  /** Whether something secret was taken out of it. */
  isMasked: boolean;
}

/** Whose outputs there are. */
interface PrintedOutputsOptions {
  /** The name of the root: an absolute path, or a URL. */
  root: string;
  /** The run. */
  view: Pick<RunView, "runId" | "output">;
  /** The nodes of its flow. */
  nodes: ReadonlyMap<string, FlowNode>;
  /** What its log has. */
  fold: Pick<RunFold, "attemptsOf">;
}

/** What a command finds of the outputs of others. */
interface OutputVariables {
  /** The paths, by the names of variables. */
  env: Record<string, string>;
  /** Variables that it does not get, whoever else has set them. */
  unset: string[];
  /** Of which outputs it is told nothing, and why, in words. */
  notes: string[];
}

/** An output that a command is to find. */
export interface GivenOutput extends NodeAttempt {
  /** The variable in which it finds its path. */
  name: string;
  /** Its digest. */
  hash: string;
}

/** The outputs of the nodes of a run. */
export class PrintedOutputs implements Disposable {
  readonly #options: PrintedOutputsOptions;
  readonly #needed: NeededOutputs;
  /** What was seen here; the log is behind it. */
  readonly #seen = new Map<string, Printed>();
  /** Where what a database keeps is fetched to. */
  #folder: string | undefined;
  /** What was compared with what is there: what an earlier process has seen, and what was fetched. */
  readonly #compared = new Map<string, Promise<string | undefined>>();

  constructor(options: PrintedOutputsOptions) {
    this.#options = options;
    this.#needed = new NeededOutputs(options.nodes);
  }

  /** An attempt has ended, and this is what it printed. */
  add({ nodeId, attempt }: NodeAttempt, printed: Omit<Printed, "attempt">): void {
    this.#seen.set(nodeId, { attempt, ...printed });
  }

  /**
   * Looks whether what an earlier process has seen is still there, as the file may have changed since, and fetches
   * what is no file.
   *
   * @returns Why the node cannot start, as a sentence; nothing at all where there is nothing to look at, so
   * that nobody has to wait for that.
   */
  check(node: FlowNode): Promise<string | undefined> | undefined {
    const looks = this.#needed.of(node).flatMap((nodeId) => {
      const seen = this.#seen.get(nodeId);
      // A file of this very process is there.
      if (seen !== undefined && isOfFiles(this.#options.root)) return [];
      const printed = seen ?? this.#recorded(nodeId);
      return printed?.hash === undefined ? [] : [this.#compare({ nodeId, ...printed })];
    });
    if (looks.length === 0) return undefined;
    return Promise.all(looks).then((problems) => problems.find((problem) => problem !== undefined));
  }

  #compare(printed: NodeAttempt & Printed): Promise<string | undefined> {
    const { nodeId, hash } = printed;
    let problem = this.#compared.get(nodeId);
    if (problem === undefined) {
      const of = { ...printed, stream: "out" } as const;
      if (hash === DIGEST_OF_NOTHING) problem = Promise.resolve(undefined);
      else if (isOfFiles(this.#options.root)) problem = compareOutput(this.#pathOf(printed), hash!);
      else problem = this.#fetch(of, hash!);
      this.#compared.set(nodeId, problem);
    }
    return problem.then((problem) => {
      return problem && `Cannot use what node ${nodeId} printed: ${problem}; taffrail resume ` +
          `--rerun ${nodeId} makes it again`;
    });
  }

  async #fetch(of: OutputRef, expected: string): Promise<string | undefined> {
    const { view, root } = this.#options;
    this.#folder ??= Deno.makeTempDirSync({ prefix: "taffrail-outputs-" });
    const problem = await fetchOutput(view, of, {
      expected,
      path: join(this.#folder, outputName(of)),
    });
    return problem && `${outputName(of)} of ${view.runId} in ${root} ${problem}`;
  }

  /** Removes what was fetched. */
  [Symbol.dispose](): void {
    if (this.#folder !== undefined) removeIfThere(this.#folder);
  }

  /** What the command of a node gets. */
  variablesOf(node: FlowNode): OutputVariables {
    const { given, ...others } = this.givenTo(node);
    const env = Object.fromEntries(given.map(({ name, ...printed }) => {
      return [name, this.#pathOf(printed)];
    }));
    return { env, ...others };
  }

  /** What the command of a node is to find of others, wherever it runs. */
  givenTo(node: FlowNode): Omit<OutputVariables, "env"> & { given: GivenOutput[] } {
    const given: GivenOutput[] = [];
    const unset: string[] = [];
    const notes: string[] = [];
    for (const nodeId of this.#needed.of(node)) {
      const name = outputVariable(nodeId);
      const printed = this.#seen.get(nodeId) ?? this.#recorded(nodeId);
      if (printed?.hash !== undefined && printed.cut === undefined && !printed.isMasked) {
        given.push({ name, nodeId, attempt: printed.attempt, hash: printed.hash });
        continue;
      }
      unset.push(name);
      const lack = printed && lackOf(printed);
      if (lack === undefined) continue;
      const what = `${node.id} is not told of what ${nodeId} printed (${name})`;
      notes.push(`${what}: ${lack}`);
    }
    return { given, unset, notes };
  }

  /** Of what printed nothing there is no file. */
  #pathOf({ nodeId, attempt, hash }: NodeAttempt & Pick<Printed, "hash">): string {
    if (hash === DIGEST_OF_NOTHING) return isWindows ? "NUL" : "/dev/null";
    const { root, view: { runId } } = this.#options;
    const of = { nodeId, attempt, stream: "out" } as const;
    return isOfFiles(root) ? outputPath({ root, runId }, of) : join(this.#folder!, outputName(of));
  }

  /** What an earlier process has seen: of several attempts the one that completed counts, else the last. */
  #recorded(nodeId: string): Printed | undefined {
    const attempts = this.#options.fold.attemptsOf(nodeId)
      .filter(({ output_hash: hash }) => hash !== undefined);
    const last = attempts.findLast(({ status }) => status === "Completed") ?? attempts.at(-1);
    return last && {
      attempt: last.attempt,
      hash: last.output_hash,
      cut: last.output_cut,
      isMasked: last.output_masked ?? false,
    };
  }
}

/** Why what is kept of an output is not what was printed. */
function lackOf({ cut, isMasked }: Printed): string | undefined {
  if (isMasked) return "secret values stood in it, which are not kept";
  if (cut === undefined) return undefined;
  return `${formatSize(cut)} of it were left out; --max-output says how much is kept`;
}

async function compareOutput(path: string, expected: string): Promise<string | undefined> {
  try {
    return await hashOutput(path) === expected ? undefined : `${path} was changed`;
  } catch (error) {
    return isNotFound(error) ? `${path} is gone` : `${path} cannot be read: ${reasonOf(error)}`;
  }
}
