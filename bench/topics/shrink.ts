import {
  type CaptureBundle,
  CapturingSession,
  replayBundle,
  showsChange,
  showsDivergence,
  shrink,
  type ShrinkPredicate,
} from "../../capture/mod.ts";
import {
  createEvent,
  ManualTimers,
  MemoryDecisionLog,
  PumpDriver,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";
import { type Case, measureRounds } from "../harness/rounds.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 7;
const EVENTS = 3_400;
const FAILS = "e2500";
const SCATTERED = 20;

const REPLAY = "replay of 10,000 inputs";
const DIVERGENCE = "shrink to the 2 inputs that diverge";
const CHANGE = "shrink to the 2 inputs that a limit changes";
const MANY = `shrink to ${SCATTERED} events all over it`;

const createSupervisor = (options: SupervisorOptions) => new Supervisor(options);

/** A recording of 10,000 inputs: what waits for one of four places, and one that fails once. */
async function record(): Promise<CaptureBundle> {
  const timers = new ManualTimers();
  const session = new CapturingSession({
    graphId: "bench",
    mode: "concurrent",
    constraints: { max_in_flight: 4, max_retries: 1 },
    decisionLog: new MemoryDecisionLog(),
    invoker: {
      run: ({ eventId, attempt }) =>
        new Promise((resolve) => {
          const end = { secs: timers.now().secs + 2, nanos: 0 };
          const termination = eventId === FAILS && attempt === 1 ? "TimedOut" : "Completed";
          timers.setTimer(end, () => resolve(termination));
        }),
    },
    createSupervisor,
    runtimeProvenance: "rpv1:sha256:bench",
    timers,
  });
  using pump = new PumpDriver({ supervisor: session.supervisor, timers });
  const pass = async () => {
    timers.advance({ secs: 1, nanos: 0 });
    await new Promise((resolve) => setTimeout(resolve));
  };
  for (let index = 0; index < EVENTS; index++) {
    const payload = JSON.stringify({ node: `n${index}`, run: ["sh", "-c", "true"] });
    const at = timers.now();
    await session.onEvent(createEvent({ id: `e${index}`, kind: "Command", at, payload }));
    if (index % 3 === 2) await pass();
  }
  while (session.supervisor.inFlight.length > 0) await pass();
  await pump.drained();
  return session.intoBundle();
}

/** Needs some events, each of which is alone among hundreds that do not matter. */
const needsScattered: ShrinkPredicate = ({ decisions }) => {
  const ids = new Set(decisions.map(({ event_id }) => event_id));
  return Array.from({ length: SCATTERED }, (_, index) => `e${index * 170}`)
    .every((id) => ids.has(id));
};

/** What a search costs, in replays of the whole. */
export const shrinking: Topic = {
  name: "shrink",
  title: "the smallest of a recording of 10,000 inputs",
  async measure() {
    const bundle = await record();
    const options = { createSupervisor };
    const diverging = { ...bundle, config: { ...bundle.config, max_retries: 0 } };
    const [first] = (await replayBundle(diverging, options)).divergences;
    const tests = new Map<string, number>();
    const caseOf = (name: string, given: CaptureBundle, predicate: ShrinkPredicate): Case => ({
      name,
      async run() {
        const start = performance.now();
        tests.set(name, (await shrink(given, predicate, options)).tests);
        return (performance.now() - start) * 1000;
      },
    });
    const replay: Case = {
      name: REPLAY,
      async run() {
        const start = performance.now();
        await replayBundle(bundle, options);
        return (performance.now() - start) * 1000;
      },
    };
    const change = { constraints: { max_retries: 0 }, ...options };
    const rounds = await measureRounds([
      replay,
      caseOf(DIVERGENCE, diverging, showsDivergence(diverging, first!, options)),
      caseOf(CHANGE, bundle, showsChange(change)),
      caseOf(MANY, bundle, needsScattered),
    ], ROUNDS);
    return {
      operation: "a search",
      rounds,
      ratios: [
        ratioOf(rounds, { of: DIVERGENCE, to: REPLAY }, { atMost: 10 }),
        ratioOf(rounds, { of: CHANGE, to: REPLAY }, { atMost: 20 }),
        ratioOf(rounds, { of: MANY, to: REPLAY }, { atMost: 40 }),
      ],
      facts: Array.from(tests, ([what, count]) => ({ what: `tests: ${what}`, value: `${count}` })),
    };
  },
};
