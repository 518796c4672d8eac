/**
 * What the holder of a run and a worker say to each other of an attempt: what is to be done, and what came of it.
 * Both are the text of one JSON object, with a version: a worker that is older than the holder says so instead of doing
 * something else than what was meant.
 *
 * The payload has no value of a secret: those come from the worker's own environment, by their names.
 */
import {
  checkArray,
  checkInteger,
  checkKeys,
  checkObject,
  checkString,
  defined,
  describe,
  isObject,
} from "../../_internal/errors.ts";
import { reasonOf } from "../../_internal/text.ts";
import type { AttemptEnd } from "../../run/types.ts";

const VERSION = 1;

/** What another node printed, of which the command finds a file. */
export interface NeededOutput {
  /** The variable in which it finds the path of the file. */
  name: string;
  /** The node that printed it. */
  node_id: string;
  /** Which attempt at that. */
  attempt: number;
  /** The digest of it, as 64 hexadecimal digits. */
  sha256: string;
}

/** What a worker is to do. */
export interface JobPayload {
  v: typeof VERSION;
  /** The program and its arguments. */
  run: string[];
  /** Where it runs: relative to where the worker has the folder of the flow, or absolute where it leads out of that. */
  cwd: string;
  /** Variables, as the flow has them. */
  env: Record<string, string>;
  /** The names of variables whose values the worker must have. */
  from_env: string[];
  /** The names of variables whose values are taken out of what is kept. */
  secret: string[];
  /** How long it may take, in milliseconds. */
  timeout_ms?: number;
  /** The time between what asks it to end and SIGKILL, in milliseconds. */
  grace_ms: number;
  /** How much of each of its outputs is kept. */
  max_output_bytes: number;
  /** Whether others need what it prints: then that is on disk before it ends. */
  needs_output: boolean;
  /** What others have printed. */
  outputs: NeededOutput[];
  /** Variables that it does not get, whoever else has set them. */
  unset: string[];
  /** Exit codes that are not tried again. */
  not_on: number[];
}

/** What came of it. */
export interface JobAnswer extends AttemptEnd {
  v: typeof VERSION;
  /** What the worker is called. */
  worker: string;
  /** Its machine. */
  host?: string;
  /** What people should know. */
  notes: string[];
}

/** The text of what is to be done. */
export function encodePayload(payload: Omit<JobPayload, "v">): string {
  return JSON.stringify({ v: VERSION, ...payload });
}

/** The text of what came of it. */
export function encodeAnswer(answer: Omit<JobAnswer, "v">): string {
  return JSON.stringify({ v: VERSION, ...answer });
}

/**
 * What is to be done, from its text.
 *
 * @throws {TypeError | RangeError} If it is none, or of a version that is not known here.
 */
export function decodePayload(text: string): JobPayload {
  const name = "the job";
  const { v, run, cwd, env, from_env, secret, timeout_ms, ...others } = parse(text, name);
  checkVersion(v, name);
  const { grace_ms, max_output_bytes, needs_output, outputs, unset, not_on, ...unknown } = others;
  checkKeys(unknown, name, []);
  const words = strings(run, "run");
  if (words.length === 0) throw new TypeError(`Cannot use ${name}: it names no program`);
  if (typeof needs_output !== "boolean") {
    throw new TypeError(
      `Cannot use needs_output: expected a boolean, got ${describe(needs_output)}`,
    );
  }
  return {
    v: VERSION,
    run: words,
    cwd: checkString(cwd, "cwd"),
    env: variables(env),
    from_env: strings(from_env, "from_env"),
    secret: strings(secret, "secret"),
    ...defined({
      timeout_ms: timeout_ms === undefined ? undefined : checkInteger(timeout_ms, "timeout_ms"),
    }),
    grace_ms: checkInteger(grace_ms, "grace_ms"),
    max_output_bytes: checkInteger(max_output_bytes, "max_output_bytes"),
    needs_output,
    outputs: checkArray(outputs, "outputs", neededOutput),
    unset: strings(unset, "unset"),
    not_on: checkArray(not_on, "not_on", (code, name) => checkInteger(code, name)),
  };
}

/**
 * What came of it, from its text; how it ended is checked by the supervisor, which decides by it.
 *
 * @throws {TypeError | RangeError} If it is none, or of a version that is not known here.
 */
export function decodeAnswer(text: string): JobAnswer {
  const name = "the answer of a worker";
  const { v, termination, end, worker, host, notes, ...unknown } = parse(text, name);
  checkVersion(v, name);
  checkKeys(unknown, name, []);
  if (typeof termination !== "string" && !isObject(termination)) {
    throw new TypeError(`Cannot use ${name}: it does not say how the attempt ended`);
  }
  return {
    v: VERSION,
    termination: termination as AttemptEnd["termination"],
    end: checkObject(end, "end"),
    worker: checkString(worker, "worker"),
    ...defined({ host: host === undefined ? undefined : checkString(host, "host") }),
    notes: strings(notes, "notes"),
  };
}

function parse(text: string, name: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`Cannot use ${name}: ${reasonOf(cause)}`, { cause });
  }
  return checkObject(value, name);
}

/** Whoever is newer says more than is understood here. */
function checkVersion(version: unknown, name: string): void {
  if (version === VERSION) return;
  throw new TypeError(
    `Cannot use ${name}: it has version ${describe(version)}, and ${VERSION} is known here; ` +
      "run the same version of taffrail everywhere",
  );
}

function strings(value: unknown, name: string): string[] {
  return checkArray(value, name, checkString);
}

function variables(value: unknown): Record<string, string> {
  const entries = Object.entries(checkObject(value, "env"));
  return Object.fromEntries(
    entries.map(([name, text]) => [name, checkString(text, `env.${name}`)]),
  );
}

function neededOutput(value: unknown, name: string): NeededOutput {
  const { name: variable, node_id, attempt, sha256, ...unknown } = checkObject(value, name);
  checkKeys(unknown, name, []);
  const digest = checkString(sha256, `${name}.sha256`);
  if (!/^[0-9a-f]{64}$/.test(digest)) {
    throw new TypeError(`Cannot use ${name}.sha256: ${describe(digest)} is no digest`);
  }
  return {
    name: checkString(variable, `${name}.name`),
    node_id: checkString(node_id, `${name}.node_id`),
    attempt: checkInteger(attempt, `${name}.attempt`),
    sha256: digest,
  };
}
