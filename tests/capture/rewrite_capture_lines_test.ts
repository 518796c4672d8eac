/** A journal that is told with other content counts as far as the one that it is made of, and is damaged where that is. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  assertReplays,
  type BundleNote,
  CaptureJournalError,
  type CaptureLine,
  computePayloadHash,
  recoverCapture,
  rewriteCaptureLines,
  stringifyCaptureJournal,
  type TaffrailCaptureBundle,
} from "../../capture/mod.ts";
import { createSupervisor, event, newSession, RUNTIME } from "./_util.ts";

const RULES = {
  graphId: "g",
  mode: "concurrent",
  constraints: { max_in_flight: 1, max_retries: 1 },
} as const;

/** So many events that the lines before the second going on are more than a piece of their hash. */
const EVENTS = 200;

/** The lines of a session that was gone on with twice. */
async function sampleLines(): Promise<string[]> {
  const session = newSession(RULES);
  for (let index = 0; index < EVENTS; index++) {
    const payload = JSON.stringify({ secret: `${index} `.repeat(20) });
    await session.onEvent(event(`e${index}`, index, { payload }));
    await session.supervisor.idle();
  }
  const bundle = session.intoBundle() as TaffrailCaptureBundle;
  const resumed = { type: "resumed" as const, runtime_provenance: RUNTIME, changed: [], pid: 1 };
  const data = { secret: "kept back" };
  const notes: BundleNote[] = [
    { after: 4, ...resumed },
    { after: 6, type: "record", id: "r", at: { secs: 0, nanos: 0 }, data },
    { after: 4 * (EVENTS - 2), ...resumed, host: "ada" },
  ];
  const lines = stringifyCaptureJournal({ ...bundle, notes }).trimEnd().split("\n");
  // The last ones were written behind a barrier.
  return lines.map((line, index) => {
    const isLate = index > lines.length - 4;
    return isLate ? line.replace(/^\{"line":\d+,/, `$&"synced":${index - 1},`) : line;
  });
}

const EMPTY_HASH = computePayloadHash(new TextEncoder().encode("{}"));

function withoutSecrets(line: CaptureLine): CaptureLine {
  if (line.type === "event") return { ...line, payload: "{}", payload_hash: EMPTY_HASH };
  return line.type === "record" ? { ...line, data: null } : line;
}

async function rewritten(lines: string[], rewrite = withoutSecrets): Promise<string[]> {
  return await Array.fromAsync(rewriteCaptureLines(lines, rewrite));
}

Deno.test("rewriteCaptureLines() gives lines that nobody changes as they were", async () => {
  const lines = await sampleLines();
  assert(lines.join("\n").length > 2 * 64 * 1024);
  assertEquals(await rewritten(lines, (line) => line), lines);
  const bytes = lines.map((line) => new TextEncoder().encode(line));
  assertEquals(await Array.fromAsync(rewriteCaptureLines(bytes, (line) => line)), lines);
});

Deno.test("rewriteCaptureLines() gives a journal that is right, decides the same and says less", async () => {
  const lines = await sampleLines();
  const [was, is] = await Promise.all(
    [lines, await rewritten(lines)].map((some) => recoverCapture(some, { checkHashes: true })),
  );
  assertEquals([was!.damage, is!.damage], [null, null]);
  assertEquals(is!.bundle.decisions, was!.bundle.decisions);
  assert(JSON.stringify(was).includes("secret") && !JSON.stringify(is).includes("secret"));
  await assertReplays(is!.bundle, { createSupervisor });
});

/** What becomes of a line, by what it is called; undefined: it is gone. */
const DAMAGES: Readonly<
  Record<string, (line: string) => string | undefined | { unreadable: string }>
> = {
  "is a stub": (line) => line.slice(0, line.length / 2),
  "is blank": () => "",
  "is NULs": (line) => "\0".repeat(line.length),
  "is other JSON": () => '{"line":1,"type":"other"}',
  "is gone": () => undefined,
  "cannot be had": () => ({ unreadable: "it is too long" }),
  "was altered": (line) => line.replace(/"secs":(\d+)/, '"secs":1$1'),
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  Deno.test(`rewriteCaptureLines() keeps the damage where a line ${what}`, async () => {
    const lines = await sampleLines();
    // Those of the begin, around both goings on, and of the end.
    const places = lines.flatMap((_, index) => {
      const isNear = [-2, -1, 0, 1].some((by) => lines[index + by]?.includes('"type":"resumed"'));
      return index < 5 || index > lines.length - 6 || isNear ? [index] : [];
    });
    const kinds = new Set<unknown>();
    for (const place of places) {
      const left = lines.flatMap((line, index) => {
        const becomes = index === place ? damage(line) : line;
        return becomes === undefined ? [] : [becomes];
      });
      const copy = await Array.fromAsync(rewriteCaptureLines(left, withoutSecrets));
      assertEquals(copy.length, left.length);
      assert(!copy.join("\n").includes("secret"), `line ${place + 1}`);
      const [was, is] = await Promise.all([left, copy].map(damageOf));
      assertEquals(is, was, `line ${place + 1}`);
      kinds.add(was?.kind);
    }
    // Of each there is a place where it is damage.
    assert(kinds.size > (kinds.has(undefined) ? 1 : 0), `${[...kinds]}`);
  });
}

/** What a reader finds wrong; what says so is in other words where the bytes are others. */
async function damageOf(lines: (string | { unreadable: string })[]) {
  try {
    const { damage, bundle } = await recoverCapture(lines, { checkHashes: true });
    const { kind, line, lost } = damage ?? {};
    return { kind, line, lost, decisions: bundle.decisions.length };
  } catch (error) {
    assert(error instanceof CaptureJournalError, `${error}`);
    return { kind: error.kind, lines: error.details.lines, lost: error.details.lost };
  }
}

Deno.test("rewriteCaptureLines() refuses a session of a newer version, and what is no line any more", async () => {
  const [session, ...lines] = await sampleLines();
  const newer = [session!.replace('"taffrail-v1"', '"taffrail-v2"'), ...lines];
  const error = await assertRejects(() => rewritten(newer), CaptureJournalError);
  assertEquals(error.kind, "version");
  await assertRejects(
    () => rewritten([session!], (line) => ({ ...line, graph_id: 1 }) as never),
    TypeError,
  );
  await assertRejects(() => rewritten(5 as never), TypeError);
  await assertRejects(() => rewritten([], 5 as never), TypeError);
});
