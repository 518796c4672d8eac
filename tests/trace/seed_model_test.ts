/**
 * The seed's recorder as the specification tells it, in the fewest lines, beside ours: for every history
 * that it can record rightly, one step after the other, the files are the same to the byte.
 */
import { assert, assertEquals } from "@std/assert";
import {
  hashValue,
  type NodeEvent,
  type TraceMode,
  TraceRecorder,
  type ValidationIssue,
} from "../../trace/mod.ts";
import { isThere, readText } from "../_util/files.ts";
import { Random } from "../_util/random.ts";
import { longCount, seed, withTempDir } from "../_util/temp.ts";
import { eventOf, type ManualClock, optionsFor } from "./_util.ts";

interface SeedConfig {
  mode: TraceMode;
  bufferSize: number;
  captureInputs: boolean;
}

type SeedStep = Record<string, unknown>;

/** TRC-5 to TRC-14. Its file is `text`; a second flush does nothing. */
class SeedRecorder {
  text: string | undefined;
  #steps: SeedStep[] = [];
  #inFlight: { step: SeedStep; start: number; issues: ValidationIssue[] } | undefined;

  constructor(readonly config: SeedConfig, readonly clock: ManualClock) {}

  start({ node, node_id, payload }: NodeEvent): void {
    const operation = node.operation_name ?? node.operation_in_mapping ?? "unknown";
    const { component_id } = node;
    this.#inFlight = {
      step: {
        node_id,
        component_id,
        operation,
        input_hash: hashValue(payload),
        ...(this.config.captureInputs &&
          { invocation_json: { component_id, operation, payload } }),
      },
      start: this.clock.now,
      issues: [],
    };
  }

  validation(issues: ValidationIssue[]): void {
    this.#inFlight?.issues.push(...issues);
  }

  end(event: NodeEvent, output: unknown): void {
    this.#push(event, { output_hash: hashValue(output) }, {});
  }

  fail(event: NodeEvent, message: string): void {
    this.#push(event, {}, { error: { code: "node_error", message, details: null } });
    this.flush();
  }

  flushError(message: string): void {
    if (this.text !== undefined || this.config.mode === "off") return;
    if (this.#inFlight !== undefined) {
      const error = { code: "node_error", message, details: null };
      this.#push(undefined as never, {}, { error });
    } else {
      this.#add({
        node_id: "unknown",
        component_id: "unknown",
        operation: "unknown",
        input_hash: hashValue(null),
        duration_ms: 0,
        error: { code: "flow_error", message, details: null },
      });
    }
    this.flush();
  }

  flush(): void {
    if (this.text !== undefined || this.config.mode === "off") return;
    const trace = {
      trace_version: 1,
      runner_version: "0.4.59",
      pack: { pack_ref: "demo" },
      flow: { id: "demo.flow", version: "0.0.0" },
      steps: this.#steps,
    };
    this.text = JSON.stringify(trace, null, 2);
  }

  #push(event: NodeEvent, output: object, error: object): void {
    const slot = this.#inFlight;
    this.#inFlight = undefined;
    if (slot !== undefined) {
      const { step, start, issues } = slot;
      const duration = { duration_ms: Math.trunc(this.clock.now - start) };
      const validation = issues.length > 0 ? { validation_issues: issues } : {};
      return this.#add({ ...step, ...output, ...duration, ...validation, ...error });
    }
    const { node, node_id, payload } = event;
    const { component_id, operation_name: operation = "unknown" } = node;
    const invoked = operation === "unknown" ? node.operation_in_mapping ?? operation : operation;
    const invocation = { component_id, operation: invoked, payload };
    this.#add({
      node_id,
      component_id,
      operation,
      input_hash: hashValue(payload),
      ...(this.config.captureInputs && { invocation_json: invocation }),
      ...output,
      duration_ms: 0,
      ...error,
    });
  }

  #add(step: SeedStep): void {
    this.#steps.push(step);
    while (this.#steps.length > this.config.bufferSize) this.#steps.shift();
  }
}

/** Members in the order in which both print them, and numbers that both print alike. */
function randomPayload(random: Random): unknown {
  const values = [null, true, "text é", 7, 1.5, [], {}, [1, [2]], { a: { b: null }, c: [""] }];
  return { a: random.pick(values), b: random.pick(values), "é": random.below(1000) };
}

function randomEvent(random: Random, number: number): NodeEvent {
  const node = {
    component_id: random.pick(["qa", "component.exec"]),
    ...(random.chance(0.5) && { operation_name: "process" }),
    ...(random.chance(0.5) && { operation_in_mapping: "mapped" }),
  };
  return eventOf(`node-${number}`, { node, payload: randomPayload(random) });
}

/** One history, told to both; ends with the first flush that writes, since the seed writes no other. */
function tellBoth(random: Random, recorder: TraceRecorder, model: SeedRecorder): void {
  const { clock } = model;
  const flows = 1 + random.below(8);
  for (let number = 0; number < flows; number++) {
    const event = randomEvent(random, number);
    if (random.chance(0.8)) {
      recorder.onNodeStart(event);
      model.start(event);
    }
    if (random.chance(0.3)) {
      const issues = [{ code: "invalid_type", path: `/${number}`, message: "no" }];
      recorder.onValidation(event, issues);
      model.validation(issues);
    }
    clock.now += random.below(100) / 8;
    if (number === flows - 1 && random.chance(0.3)) break;
    if (random.chance(0.15)) {
      recorder.onNodeError(event, new Error(`failed ${number}`));
      return model.fail(event, `failed ${number}`);
    }
    const output = randomPayload(random);
    recorder.onNodeEnd(event, output);
    model.end(event, output);
  }
  if (random.chance(0.6)) {
    recorder.flushErrorSync(new Error("flow"));
    model.flushError("flow");
  } else if (random.chance(0.5)) {
    recorder.flushSuccessSync();
    if (model.config.mode === "always") model.flush();
  } else {
    recorder.flushBufferSync();
    model.flush();
  }
}

Deno.test("with extras off every file is the seed's, byte for byte (TRC-5 to TRC-12)", () =>
  withTempDir((directory) => {
    const random = new Random(seed());
    let written = 0;
    for (let round = 0; round < longCount(150, 3000); round++) {
      const config = {
        mode: random.pick<TraceMode>(["off", "on", "on", "always"]),
        bufferSize: random.pick([0, 1, 3, 20]),
        captureInputs: random.chance(0.5),
      };
      const options = optionsFor(`${directory}/${round}`, {
        ...config,
        extras: false,
        runnerVersion: "0.4.59",
      });
      const model = new SeedRecorder(config, options.clock as ManualClock);
      const recorder = new TraceRecorder(options);
      tellBoth(random, recorder, model);
      const text = isThere(recorder.path) ? readText(recorder.path) : undefined;
      assertEquals(text, config.mode === "off" ? undefined : model.text, `round ${round}`);
      if (text !== undefined) written++;
    }
    assert(written > 50, `${written}`);
  }));
