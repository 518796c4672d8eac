/** Any single mutation of a bundle is refused or reported, but for what RPL-8 leaves out. */
import { assert } from "@std/assert";
import {
  type CaptureBundle,
  compareDecisions,
  parseCaptureBundle,
  replayBundle,
  stringifyCaptureBundle,
} from "../../capture/mod.ts";
import type { FaultInvoker } from "../../supervisor/mod.ts";
import { mixSeeds, Random } from "../_util/random.ts";
import { longCount, seed } from "../_util/temp.ts";
import { randomConcurrentSession, randomSerialSession } from "./_random_session.ts";
import { createSupervisor, EXPECTED, sampleBundle, sampleInvoker } from "./_util.ts";

type Path = (string | number)[];

interface Mutation {
  path: Path;
  /** The text of the bundle with the mutation. */
  apply: () => string;
}

type Change = (holder: Holder, key: string | number, value: unknown) => void;

/** Every way to change one value, and to remove, double or add one member or item. */
function* mutationsOf(text: string): Generator<Mutation> {
  const document = JSON.parse(text);
  for (const path of pathsOf(document)) {
    const others = otherValues(valueAt(document, path));
    for (const change of [...others.map(replacing), removing, adding]) {
      const apply = () => {
        const mutant = structuredClone(document);
        const holder = valueAt(mutant, path.slice(0, -1)) as Holder;
        const key = path.at(-1)!;
        change(holder, key, holder[key as never]);
        return JSON.stringify(mutant);
      };
      yield { path, apply };
    }
  }
}

function replacing(other: unknown): Change {
  return (holder, key) => void (holder[key as never] = other as never);
}

const removing: Change = (holder, key) => {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
};

const adding: Change = (holder, key, value) => {
  if (Array.isArray(holder)) holder.splice(Number(key), 0, structuredClone(value));
  else holder[`${key}_`] = value;
};

type Holder = unknown[] | Record<string, unknown>;

function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path;
  if (typeof value !== "object" || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield* pathsOf(member, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

function valueAt(document: unknown, path: Path): unknown {
  return path.reduce((value, key) => (value as Holder)[key as never], document);
}

function otherValues(value: unknown): unknown[] {
  switch (typeof value) {
    case "number":
      return [value + 1, value === 0 ? 7 : 0, null];
    case "string":
      return [`${value}x`, "", 1];
    case "boolean":
      return [!value];
    default:
      return value === null ? [0, "x", { secs: 1, nanos: 0 }] : [null, 0];
  }
}

interface Original {
  text: string;
  bundle: CaptureBundle;
  newInvoker: () => FaultInvoker;
}

/**
 * Refused, or reported by a replay of the decisions, or by one that makes the attempts again and holds
 * the effects that they had against those of the bundle, as a program does that runs graphs (EFX-5).
 */
async function isNoticed(text: string, original: Original): Promise<boolean> {
  try {
    const bundle = parseCaptureBundle(text);
    // What says the same in another way, without a null for instance, is no mutation.
    if (stringifyCaptureBundle(bundle) === original.text) return true;
    const options = { createSupervisor, expected: EXPECTED };
    if (!(await replayBundle(bundle, options)).ok) return true;
    const live = await replayBundle(bundle, { ...options, invoker: original.newInvoker() });
    if (!live.ok) return true;
    const replayed = live.decisions.map((decision, index) => ({
      ...decision,
      effects: original.bundle.decisions[index]!.effects,
    }));
    return !compareDecisions(bundle.decisions, replayed);
  } catch (error) {
    assert(error instanceof Error);
    return true;
  }
}

/** What the seed does not compare (RPL-8), and what has no other trace in its format. */
function isUnprotected(path: Path): boolean {
  const [top, , field] = path;
  if (["graph_id", "config", "egress_provenance"].includes(String(top))) return true;
  if (top === "events") return field === "event_time" || field === "kind";
  return top === "decisions" && (field === "intent_acks" || field === "interruption");
}

/** A number that is a float must be printed as one again: the engine would print `1.0` as `1`. */
function isStable(text: string): boolean {
  return JSON.stringify(JSON.parse(text)) + "\n" === text;
}

Deno.test("a v3 bundle: every mutation of a field that leaves a trace is noticed", async () => {
  const bundle = await sampleBundle();
  bundle.decisions[0]!.intent_acks = [
    { intent_id: "i", channel: "c", status: "accepted", acceptance: "durable" },
  ];
  const text = stringifyCaptureBundle(bundle);
  let mutations = 0;
  for (const { path, apply } of mutationsOf(text)) {
    if (isUnprotected(path)) continue;
    mutations++;
    const isSeen = await isNoticed(apply(), { text, bundle, newInvoker: sampleInvoker });
    assert(isSeen, `Not noticed: ${path.join(".")}: ${apply()}`);
  }
  assert(mutations > 500);
});

Deno.test("v3: what a mutation of an event's time or kind changes is noticed", async () => {
  const bundle = await sampleBundle();
  const original = { text: stringifyCaptureBundle(bundle), bundle, newInvoker: sampleInvoker };
  const later = structuredClone(bundle);
  later.events[4]!.event_time = { secs: 9, nanos: 0 };
  assert(await isNoticed(stringifyCaptureBundle(later), original));
  const other = structuredClone(bundle);
  other.events[4]!.kind = "Command";
  assert(await isNoticed(stringifyCaptureBundle(other), original));
});

Deno.test("random v3 bundles: a random mutation is noticed", async () => {
  for (let index = 0; index < longCount(200, 3000); index++) {
    const random = new Random(mixSeeds(seed(), index));
    const { bundle, newInvoker } = await randomSerialSession(random);
    const text = stringifyCaptureBundle(bundle);
    if ("inputs" in bundle || !isStable(text)) continue;
    const mutations = [...mutationsOf(text)].filter(({ path }) => !isUnprotected(path));
    const { path, apply } = random.pick(mutations);
    const what = `Case ${index} of TAFFRAIL_SEED=${seed()}: ${path.join(".")}: ${apply()}`;
    assert(await isNoticed(apply(), { text, bundle, newInvoker }), what);
  }
});

Deno.test("taffrail-v1 bundles: every mutation is refused (W-ERGO-9)", async () => {
  for (let index = 0; index < longCount(20, 300); index++) {
    const random = new Random(mixSeeds(seed(), index));
    const text = stringifyCaptureBundle(await randomConcurrentSession(random));
    const mutations = [...mutationsOf(text)];
    for (let count = 0; count < 20; count++) {
      const { path, apply } = random.pick(mutations);
      const what = `Case ${index} of TAFFRAIL_SEED=${seed()}: ${path.join(".")}`;
      assert(isRefusedOrSame(apply(), text), what);
    }
  }
});

/** What says the same in another way is no mutation. */
function isRefusedOrSame(mutated: string, text: string): boolean {
  try {
    return stringifyCaptureBundle(parseCaptureBundle(mutated)) === text;
  } catch {
    return true;
  }
}
