/**
 * DBOS, a library for durable programs on PostgreSQL. It runs in Node, which it is made for: there a step takes
 * less of its time than in Deno.
 */
import { outputOf } from "../harness/run_command.ts";
import type { MadeSteps } from "../programs/make_steps.ts";

const FILES = ["package.json", "package-lock.json", "steps.mjs"];

/** DBOS as npm has it, in a directory of its own. */
export class Dbos {
  /** Its version, and that of Node. */
  readonly version: string;
  readonly #directory: string;

  private constructor(directory: string, version: string) {
    this.#directory = directory;
    this.version = version;
  }

  /** Installs it in a directory that is empty; undefined where Node or npm is not installed. */
  static async install(directory: string): Promise<Dbos | undefined> {
    for (const file of FILES) {
      await Deno.copyFile(new URL(`dbos/${file}`, import.meta.url), `${directory}/${file}`);
    }
    const node = await outputOf(["node", "--version"]);
    const install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    if (node === undefined || await outputOf(install, directory) === undefined) return undefined;
    const manifest = await Deno.readTextFile(`${directory}/package.json`);
    const { "@dbos-inc/dbos-sdk": version } = JSON.parse(manifest).dependencies;
    return new Dbos(directory, `${version}, Node ${node.trim()}`);
  }

  /** Makes steps of one workflow, so many at once; as many as `warmUp` before. */
  async makeSteps(
    url: string,
    { callers, warmUp, count }: { callers: number; warmUp: number; count: number },
  ): Promise<MadeSteps> {
    const numbers = [callers, warmUp, count].map(String);
    const text = await outputOf(["node", "steps.mjs", url, ...numbers], this.#directory);
    if (text === undefined) throw new Error("The program of DBOS failed");
    return JSON.parse(text.trim().split("\n").at(-1)!) as MadeSteps;
  }
}
