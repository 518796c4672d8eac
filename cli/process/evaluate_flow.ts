/**
 * Flows that are programs: a module whose default export is the flow, or a function of the arguments that gives
 * it. It is evaluated by a Deno of its own, in its folder and with the configuration there, and what it gives
 * comes back as JSON behind a mark that nobody else knows: whatever else it prints is passed on to people.
 */
import { dirname, isWindows } from "../../_internal/path.ts";
import { joinBytes } from "../../_internal/text.ts";
import { StoppedError } from "../exit_codes.ts";
import { resolve } from "../files.ts";
import type { Fail } from "../flow/flow_values.ts";
import { findCommand } from "../flow/find_programs.ts";
import { printableLine } from "../text/printable.ts";
import { Screen } from "../text/screen.ts";
import { formatSize } from "../text/units.ts";
import { Interrupts } from "./interrupts.ts";
import { NotStartedError } from "./cannot_run.ts";
import { runCommand } from "./run_command.ts";

const MOST_BYTES = 64 * 1024 * 1024;
const GRACE_MS = 5000;

/**
 * Imports the module, and prints what came of it. It is given to Deno as text: no file of ours is where the
 * configuration of the module counts.
 */
const EVALUATOR = `
const [mark, url, ...args] = Deno.args;
const give = (result) => {
  const bytes = new TextEncoder().encode("\\n" + mark + JSON.stringify(result) + "\\n");
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  Deno.exit(0);
};
const placeOf = (error) => String(error?.stack ?? "").split("\\n").find((line) => line.includes(url));
try {
  const module = await import(url);
  if (!("default" in module)) give({ problem: "has no default export: export the flow, or a function that gives it, as default" });
  const given = module.default;
  const flow = typeof given === "function" ? await given(args) : await given;
  let text;
  try {
    text = JSON.stringify(flow);
  } catch (error) {
    give({ problem: "gives a flow that is no JSON: " + error.message });
  }
  if (text === undefined) give({ problem: "gives " + (flow === undefined ? "nothing" : "a " + typeof flow) + " instead of a flow" });
  give({ text });
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  const isNamed = !(error instanceof Error) || /^\\w*Error: /.test(message);
  const place = message.includes(url) ? undefined : placeOf(error);
  give({ problem: "cannot be evaluated: " + (isNamed ? "" : error.name + ": ") + message, place });
}
`;

/**
 * Evaluates the module of a flow; `args`: what its function is given.
 *
 * @returns The flow, as JSON.
 * @throws {StoppedError} If it was ended by a signal before.
 */
export async function evaluateFlow(
  path: string,
  args: readonly string[],
  fail: Fail,
): Promise<string> {
  using interrupts = new Interrupts();
  interrupts.listen(() => {});
  const mark = `taffrail-flow-${crypto.randomUUID()}:`;
  const output = new EvaluatorOutput(mark, fail);
  const file = resolve(path);
  const errors = new Screen(Deno.stderr);
  const decoder = new TextDecoder();
  const { stop, kill, commands } = interrupts;
  const url = fileUrl(file);
  const end = await runCommand({
    program: denoPath(fail),
    args: ["eval", "--quiet", EVALUATOR, mark, url, ...args],
    cwd: dirname(file),
    env: {},
    unset: [],
    inheritsInput: false,
  }, {
    takeOutput: (chunk) => output.take(chunk),
    takeErrors: (chunk) => errors.text(decoder.decode(chunk, { stream: true })),
    onSpawned: () => {},
    graceMs: GRACE_MS,
    stop,
    kill,
    commands,
    endLeft: () => Promise.resolve(),
  }).catch((error) => {
    if (error instanceof NotStartedError) return fail(`cannot be evaluated: ${error.message}`);
    throw error;
  });
  if (output.noise !== "") errors.text(output.noise);
  const { received } = interrupts;
  if (received !== undefined) {
    throw new StoppedError(`${received.name}: ${path} was not evaluated`, received.exitCode);
  }
  if (end.outputError !== undefined) throw end.outputError;
  const { result } = output;
  if (result === undefined) {
    const how = end.signal === null ? `exit code ${end.code}` : end.signal;
    return fail(`ended before it gave a flow (${how}): let its default export give it`);
  }
  if ("text" in result) return result.text;
  const place = result.place === undefined ? "" : ` (${result.place.trim()})`;
  return fail(printableLine(`${result.problem.replaceAll(/\s*\n\s*/g, "; ")}${place}`));
}

/** What the evaluator has to say: the flow, or why there is none. */
type EvaluatorResult = { text: string } | { problem: string; place?: string };

/** What an evaluator prints: behind the mark its result, and before it whatever the module has printed. */
class EvaluatorOutput {
  readonly #mark: string;
  readonly #fail: Fail;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;

  constructor(mark: string, fail: Fail) {
    this.#mark = `\n${mark}`;
    this.#fail = fail;
  }

  take(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MOST_BYTES) this.#fail(`gives over ${formatSize(MOST_BYTES)}`);
    this.#chunks.push(chunk.slice());
  }

  get noise(): string {
    return this.#parts[0];
  }

  /** Undefined where it ended without one. */
  get result(): EvaluatorResult | undefined {
    const [, text] = this.#parts;
    return text === undefined ? undefined : JSON.parse(text);
  }

  get #parts(): [noise: string, result?: string] {
    const text = new TextDecoder().decode(joinBytes(this.#chunks));
    const at = text.lastIndexOf(this.#mark);
    return at === -1 ? [text] : [text.slice(0, at), text.slice(at + this.#mark.length)];
  }
}

/** An executable that deno compile made cannot stand for deno. */
function denoPath(fail: Fail): string {
  if (!Deno.build.standalone) return Deno.execPath();
  const found = findCommand(["deno"], Deno.cwd());
  return typeof found === "string" ? found : fail(`cannot be evaluated: ${found.problem}`);
}

function fileUrl(path: string): string {
  const encoded = encodeURI(isWindows ? `/${path.replaceAll("\\", "/")}` : path);
  return `file://${encoded.replaceAll("#", "%23").replaceAll("?", "%3F")}`;
}
