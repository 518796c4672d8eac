/** Withdrawals are recorded, journalled, replayed, compared and gone on with like all inputs. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  assertReplays,
  CapturingDecisionLog,
  type CapturingSession,
  diffBundles,
  openCaptureJournal,
  parseCaptureBundle,
  recoverCapture,
  replayBundle,
  resumeCapture,
  stringifyCaptureBundle,
  stringifyCaptureJournal,
  type TaffrailCaptureBundle,
  type V3CaptureBundle,
  validateBundle,
} from "../../capture/mod.ts";
import {
  FaultInvoker,
  MemoryDecisionLog,
  Supervisor,
  type SupervisorMode,
} from "../../supervisor/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import {
  at,
  createSupervisor,
  event,
  EXPECTED,
  newSession,
  NO_LIMITS,
  RUNTIME,
  sessionOptions,
} from "./_util.ts";

const MODES: readonly SupervisorMode[] = ["serial", "concurrent"];
/** One start in ten seconds, so that all but the first wait. */
const CONSTRAINTS = { max_per_window: 1, rate_window: at(10), max_retries: 0 };
const WITHDRAWN = { type: "withdraw", episode_id: 1, at: at(4) } as const;

/** `e2` is withdrawn, `e3` started by a Pump. */
async function take(session: CapturingSession<Supervisor>): Promise<TaffrailCaptureBundle> {
  for (const one of [event("e1"), event("e2", 1), event("e3", 2)]) await session.onEvent(one);
  await session.supervisor.withdraw({ episodeId: 1, at: at(4) });
  await session.onEvent(event("p1", 10, { kind: "Pump" }));
  await session.supervisor.idle();
  const bundle = session.intoBundle();
  assert("inputs" in bundle);
  return bundle;
}

for (const mode of MODES) {
  Deno.test(`${mode}: a withdrawal is an input of taffrail-v1, and replays offline and live`, async () => {
    const bundle = await take(newSession({ mode, constraints: CONSTRAINTS }));
    assertEquals(bundle.inputs.filter(({ type }) => type === "withdraw"), [WITHDRAWN]);
    const { decision, reason, event_id, origin_event_id, termination } = bundle.decisions
      .find(({ reason }) => reason === "withdrawn")!;
    assertEquals(
      [decision, reason, event_id, origin_event_id, termination],
      ["Skip", "withdrawn", "e2", "e2", null],
    );
    for (const style of ["compact", "pretty"] as const) {
      const text = stringifyCaptureBundle(bundle, style);
      const again = parseCaptureBundle(text);
      assertEquals(again, bundle);
      assertEquals(stringifyCaptureBundle(again, style), text);
      await assertReplays(again, { createSupervisor, expected: EXPECTED });
      await assertReplays(again, { createSupervisor, invoker: new FaultInvoker() });
    }
  });

  Deno.test(`${mode}: a withdrawal that the replay cannot make is reported`, async () => {
    const bundle = await take(newSession({ mode, constraints: CONSTRAINTS }));
    const index = bundle.inputs.findIndex(({ type }) => type === "withdraw");
    const twice = { ...bundle, inputs: bundle.inputs.toSpliced(index, 0, WITHDRAWN) };
    const unmatched = (place: number, event: string, recorded: unknown) => ({
      kind: "unmatched" as const,
      index: place,
      event,
      path: `$.inputs[${place}]`,
      recorded,
      replayed: undefined,
      context: [],
    });
    const again = await replayBundle(twice, { createSupervisor });
    assertEquals(again.divergences, [unmatched(index + 1, "e2", WITHDRAWN)]);
    const strange = { ...WITHDRAWN, episode_id: 99 };
    const other = { ...bundle, inputs: bundle.inputs.with(index, strange) };
    const { divergences, decisions } = await replayBundle(other, { createSupervisor });
    assertEquals(divergences.filter((one) => one.path === `$.inputs[${index}]`), [
      unmatched(index, "", strange),
    ]);
    // The Pump starts what was not withdrawn.
    const pumped = decisions.find(({ event_id }) => event_id === "p1")!;
    assertEquals([pumped.decision, pumped.episode_id], ["Invoke", 1]);
  });

  Deno.test(`${mode}: a diff shows a withdrawal that only one recording has`, async () => {
    const bundle = await take(newSession({ mode, constraints: CONSTRAINTS }));
    const index = bundle.inputs.findIndex(({ type }) => type === "withdraw");
    const without = { ...bundle, inputs: bundle.inputs.toSpliced(index, 1) };
    assertEquals(diffBundles(bundle, without), [
      { kind: "missing", path: `$.inputs[${index}]`, before: WITHDRAWN, after: undefined },
    ]);
    const later = { ...bundle, inputs: bundle.inputs.with(index, { ...WITHDRAWN, at: at(5) }) };
    assertEquals(diffBundles(bundle, later), [
      { kind: "changed", path: `$.inputs[${index}].at.secs`, before: 4, after: 5 },
    ]);
  });

  Deno.test(`${mode}: a journal has it, and a session goes on wherever the journal was cut`, async () => {
    await withTempDir(async (dir) => {
      const path = `${dir}/whole.jsonl`;
      const journal = openCaptureJournal(path);
      const bundle = await take(newSession({ mode, constraints: CONSTRAINTS, journal }));
      const lines = (await Deno.readTextFile(path)).split("\n").slice(0, -1);
      assertEquals((await recoverCapture(path)).bundle, bundle);
      assertEquals(stringifyCaptureJournal(bundle), `${lines.join("\n")}\n`);
      for (let kept = 1; kept <= lines.length; kept++) {
        const cut = `${dir}/cut-${kept}.jsonl`;
        await Deno.writeTextFile(cut, lines.slice(0, kept).join("\n") + "\n");
        const withdrawnBefore = lines.slice(0, kept).some((line) => line.includes('"withdraw"'));
        const { session } = await resumeCapture({
          ...sessionOptions(),
          mode,
          constraints: CONSTRAINTS,
          journalPath: cut,
        });
        const { supervisor } = session;
        for (const { eventId, episodeId } of supervisor.deferred) {
          if (eventId === "e2") await supervisor.withdraw({ episodeId });
        }
        await session.close();
        assert(!supervisor.deferred.some(({ eventId }) => eventId === "e2"));
        const whole = session.intoBundle();
        await assertReplays(whole, { createSupervisor });
        const count = "inputs" in whole &&
          whole.inputs.filter(({ type }) => type === "withdraw").length;
        if (withdrawnBefore) assertEquals(count, 1);
      }
    });
  });
}

Deno.test("a bundle of format v3 cannot say it: by hand it is refused, in its text unknown", async () => {
  const bundle: V3CaptureBundle = {
    capture_version: "v3",
    graph_id: "g",
    config: { ...NO_LIMITS, max_in_flight: 0 },
    events: [],
    decisions: [],
    adapter_provenance: "none",
    runtime_provenance: RUNTIME,
  };
  const supervisor = new Supervisor({
    graphId: "g",
    constraints: bundle.config,
    decisionLog: new CapturingDecisionLog(new MemoryDecisionLog(), bundle),
    invoker: new FaultInvoker(),
  });
  await supervisor.onEvent(event("e1"));
  await assertRejects(
    () => supervisor.withdraw({ episodeId: 0 }),
    TypeError,
    "Cannot record the withdrawal of episode 0: the format v3 has none such; " +
      "use a bundle of format taffrail-v1",
  );
  const { events: _, ...rest } = bundle;
  const text = JSON.stringify({ ...rest, inputs: [WITHDRAWN], decisions: [] });
  assertThrows(() => parseCaptureBundle(text), TypeError, "unknown field `inputs`");
});

Deno.test("a withdrawal of another shape is refused, its place named", async () => {
  const bundle = await take(newSession({ mode: "concurrent", constraints: CONSTRAINTS }));
  const index = bundle.inputs.findIndex(({ type }) => type === "withdraw");
  const shapes: [object, string][] = [
    [{ type: "withdraw", at: at(4) }, "episode_id"],
    [{ ...WITHDRAWN, at: null }, `$.inputs[${index}].at`],
    [{ ...WITHDRAWN, attempt: 1 }, "unknown field `attempt`"],
    [{ ...WITHDRAWN, type: "withdrawn" }, "unknown variant `withdrawn`"],
    [{ episode_id: 1, at: at(4) }, "missing field `type`"],
  ];
  for (const [shape, problem] of shapes) {
    const changed = { ...bundle, inputs: bundle.inputs.with(index, shape as never) };
    assertThrows(() => validateBundle(changed), TypeError, problem);
    assertThrows(() => stringifyCaptureBundle(changed), TypeError, problem);
  }
});
