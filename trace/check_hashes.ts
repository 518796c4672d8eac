import type { TraceEnvelope, TraceHash } from "./types.ts";

/** The format that this module writes and reads. */
export const TRACE_VERSION = 1;

const ALGORITHM = "blake3";
const DIGEST = /^[0-9a-f]{64}$/;

/** A digest that cannot be compared with any. */
export interface HashProblem {
  /** Whether it is of another algorithm, or no digest at all. */
  kind: "algorithm" | "shape";
  /** What is wrong and where. */
  message: string;
  /** The number of the step, from 1. */
  step: number;
  /** What was required. */
  expected: string;
  /** What is there instead. */
  actual: string;
}

/** The first digest of a trace that is not one of this module's; undefined when all are. */
export function checkHashes({ steps }: TraceEnvelope): HashProblem | undefined {
  for (const [index, step] of steps.entries()) {
    const { input_hash, output_hash, state_delta_hash } = step;
    for (const [name, hash] of Object.entries({ input_hash, output_hash, state_delta_hash })) {
      const problem = hash && problemOf(hash, `$.steps[${index}].${name}`);
      if (problem) return { ...problem, step: index + 1 };
    }
  }
  return undefined;
}

function problemOf(
  { algorithm, value }: TraceHash,
  place: string,
): Omit<HashProblem, "step"> | undefined {
  if (algorithm !== ALGORITHM) {
    const message = `Cannot compare ${place}: its algorithm is "${algorithm}", not "${ALGORITHM}"`;
    return { kind: "algorithm", message, expected: ALGORITHM, actual: algorithm };
  }
  if (DIGEST.test(value)) return undefined;
  const expected = "64 lower-case hexadecimal digits";
  const message = `Cannot compare ${place}: its value is not ${expected}`;
  return { kind: "shape", message, expected, actual: value };
}
