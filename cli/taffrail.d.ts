/**
 * The `taffrail` command: runs local work, records what happened so that nothing is lost, and shows
 * it afterwards.
 *
 * | Verb | What it does |
 * | --- | --- |
 * | `taffrail run FLOW` | runs the commands of a flow file, or tasks of `deno.json`, in the order of their needs |
 * | `taffrail exec -- CMD…` | runs one command, and passes its input and output through |
 * | `taffrail resume RUN` | goes on with a run whose process was killed |
 * | `taffrail init` | makes a directory for runs, and an example flow |
 * | `taffrail ls` | lists the runs |
 * | `taffrail show RUN` | shows one run: its nodes, and the end of what a failed one printed |
 * | `taffrail follow RUN` | prints the events of a run, or of all, as they come |
 * | `taffrail stop RUN` | ends a run that another process works on |
 * | `taffrail replay RUN` | proves that a run would be decided on again as it was |
 * | `taffrail diff A B` | compares two recordings |
 * | `taffrail trace RUN` | shows the last steps of a run that failed, for Perfetto too |
 * | `taffrail verify` | looks for everything that is wrong in the records of runs |
 * | `taffrail repair` | mends what can be mended safely in them |
 * | `taffrail prune` | removes old runs, and says which |
 *
 * It exits with 0 when all went well, 1 when the work failed, 2 when it was called wrongly, and 128 + n when
 * it was ended by signal n. `--json` prints one JSON document for programs, and one JSON object a line for
 * `follow`; `taffrail VERB --help` says what is in it, and `docs/format/command_json.md` more. Members are
 * only ever added to these.
 *
 * ```sh
 * deno run --allow-all jsr:@taffrail/taffrail/cli exec -- deno test
 * ```
 *
 * **Permissions**: it starts programs, so nothing less than `--allow-all` would hold it back.
 *
 * @module
 */

/**
 * Does what a command line asks for.
 *
 * @param args The arguments, without the name of the program.
 * @returns The exit code.
 */
export declare function main(args: string[]): Promise<number>;
