/** What a program without types may hand in: whatever it is, the words are ours, and the stack holds. */
import { assert, assertRejects } from "@std/assert";
import {
  type ActionEffect,
  type CaptureBundle,
  compareDecisions,
  computeEffectHash,
  diffBundles,
  hasValidHash,
  recordEvent,
  rehydrateEvent,
  replayBundle,
  stringifyCaptureBundle,
  stringifyCaptureJournal,
  validateBundle,
} from "../../capture/mod.ts";
import { FaultInvoker } from "../../supervisor/mod.ts";
import { createSupervisor, event, newSession } from "./_util.ts";

const EFFECT: ActionEffect = {
  kind: "set_context",
  writes: [{ key: "x", value: { Number: 1 } }, { key: "y", value: { Series: [1] } }],
  intents: [{ kind: "k", intent_id: "i", fields: [{ name: "n", value: { Bool: true } }] }],
};

function nested(depth: number): unknown[] {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = level % 2 ? { a: value } : [value];
  return [value];
}

/** What stands in the place of a value. What `structuredClone` cannot copy is among it. */
const GARBAGE: readonly unknown[] = [
  nested(100_000),
  null,
  undefined,
  1,
  "x",
  [],
  {},
  () => {},
  Symbol("s"),
  10n,
  NaN,
  new Map([[1, 2]]),
  new Set([1]),
  /x/,
  new Date(NaN),
  new Error("x"),
];

/** The words of the engine, by which it says that something was not looked at before. */
const ENGINE_WORDS =
  /call stack|properties of|is not a function|not iterable|Unexpected|could not be cloned|Cannot convert|circular structure/i;

/** Every path of a value. */
function pathsOf(value: unknown, path: string[] = []): string[][] {
  const inner = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return [path, ...inner.flatMap(([key, member]) => pathsOf(member, [...path, key]))];
}

/** A copy of a value with something else in one place. */
function changed<T>(value: T, [key, ...rest]: readonly string[], garbage: unknown): T {
  if (key === undefined) return garbage as T;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  copy[key] = changed(copy[key], rest, garbage);
  return copy as T;
}

async function assertOurWords(what: string, use: () => unknown): Promise<void> {
  try {
    await use();
  } catch (error) {
    assert(error instanceof Error, what);
    assert(!ENGINE_WORDS.test(error.message), `${what}: ${error.message}`);
  }
}

for (const mode of ["serial", "concurrent"] as const) {
  Deno.test(`a bundle with garbage in any place is refused in our own words, ${mode}`, async () => {
    const session = newSession({ mode });
    await session.onEvent(event("e1", 0, { payload: "{}" }));
    await session.setEffects(0, [EFFECT]);
    await session.close();
    const bundle = session.intoBundle();
    const uses: Record<string, (bundle: CaptureBundle) => unknown> = {
      stringify: (wrong) => stringifyCaptureBundle(wrong),
      pretty: (wrong) => stringifyCaptureBundle(wrong, "pretty"),
      journal: (wrong) => stringifyCaptureJournal(wrong),
      validate: (wrong) => validateBundle(wrong),
      replay: (wrong) => replayBundle(wrong, { createSupervisor }),
      live: (wrong) =>
        replayBundle(wrong, { createSupervisor, strict: false, invoker: new FaultInvoker() }),
      diff: (wrong) => diffBundles(bundle, wrong),
      compare: (wrong) => compareDecisions(bundle.decisions, wrong.decisions),
    };
    for (const path of pathsOf(bundle)) {
      for (const garbage of GARBAGE) {
        const wrong = changed<CaptureBundle>(bundle, path, garbage);
        for (const [name, use] of Object.entries(uses)) {
          if (name === "compare" && path.length === 0) continue;
          await assertOurWords(`${name} ${path.join(".")} ${typeof garbage}`, () => use(wrong));
        }
      }
    }
  });
}

Deno.test("effects and records with garbage in any place are refused in our own words", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  const good = event("e1", 0, { payload: "{}" });
  const record = recordEvent(good);
  for (const garbage of GARBAGE) {
    for (const path of pathsOf(EFFECT)) {
      const wrong = changed(EFFECT, path, garbage);
      const what = `${path.join(".")} ${typeof garbage}`;
      await assertOurWords(`hash ${what}`, () => computeEffectHash(wrong));
      await assertOurWords(`set ${what}`, () => session.setEffects(0, [wrong]));
    }
    await assertOurWords("set list", () => session.setEffects(0, garbage as ActionEffect[]));
    for (const path of pathsOf(record)) {
      const wrong = changed(record, path, garbage);
      await assertOurWords(`rehydrate ${path.join(".")}`, () => rehydrateEvent(wrong));
      await assertOurWords(`hasValidHash ${path.join(".")}`, () => hasValidHash(wrong));
    }
    for (const path of pathsOf({ at: { secs: 0 }, payload: 0, id: 0 })) {
      const wrong = changed({ ...good }, path, garbage);
      await assertOurWords(`record ${path.join(".")}`, () => recordEvent(wrong));
    }
  }
});

Deno.test("what JSON would change without a word is no part of an effect", async () => {
  const session = newSession();
  await session.onEvent(event("e1"));
  for (
    const value of [NaN, Infinity, 10n, new Map(), new Set(), /x/, new Date(NaN), new Error("x")]
  ) {
    const effects = [{ kind: "k", writes: [{ key: "x", value: { Number: value } }] }];
    await assertRejects(
      () => session.setEffects(0, effects as ActionEffect[]),
      TypeError,
      "Cannot print $.writes[0].value",
    );
  }
});
