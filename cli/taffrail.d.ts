/**
 * The `taffrail` command: runs local work, records what happened so that nothing is lost, and shows
 * it afterwards.
 *
 * ```sh
 * deno install --global --allow-all --name taffrail jsr:@taffrail/taffrail/cli
 * taffrail exec -- deno test   # runs one command, and records it
 * taffrail run ci.flow.json    # runs the commands of a flow, in the order of their needs
 * taffrail resume ci           # goes on with a run that was killed, or has failed
 * taffrail show ci             # what became of it, and why
 * taffrail --help              # all verbs
 * ```
 *
 * It exits with 0 when all went well, 1 when the work failed, 2 when it was called wrongly, and 128 + n when
 * it was ended by signal n. `--json` prints one JSON document for programs, and one JSON object a line for
 * `follow`; `taffrail VERB --help` says what is in it, and `docs/format/command_json.md` more. Members are
 * only ever added to these.
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
