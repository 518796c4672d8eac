/** Sessions for `shrink`, and what a recording of fewer inputs is, said by trying. */
import { type CaptureBundle, stringifyCaptureBundle } from "../../../capture/mod.ts";
import { Candidates } from "../../../capture/shrink/candidates.ts";
import { RecordedSession } from "../../../capture/shrink/recorded_session.ts";
import { Supervisor, type SupervisorOptions } from "../../../supervisor/mod.ts";
import type { Random } from "../../_util/random.ts";
import { mixSeeds, Random as SeededRandom } from "../../_util/random.ts";
import { seed } from "../../_util/temp.ts";
import { randomConcurrentSession, randomSerialSession } from "../_random_session.ts";
import { at } from "../_util.ts";

/** Tries random cases, and says by which seed one can be had again. */
export async function forEachCase(
  count: number,
  check: (random: Random) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < count; index++) {
    try {
      await check(new SeededRandom(mixSeeds(seed(), index)));
    } catch (cause) {
      throw new Error(`Case ${index} of TAFFRAIL_SEED=${seed()} failed`, { cause });
    }
  }
}

/** A recording of either mode and format. */
export async function randomSession(random: Random): Promise<CaptureBundle> {
  return random.chance(0.4)
    ? (await randomSerialSession(random)).bundle
    : await randomConcurrentSession(random);
}

type CreateSupervisor = (options: SupervisorOptions) => Supervisor;

/** A supervisor that has other rules than it is told: a later version of the one that recorded. */
export function changedSupervisor(random: Random): CreateSupervisor {
  const constraints = random.pick([
    { max_retries: random.below(3) },
    { max_in_flight: random.below(4) },
    { max_in_flight: null },
    { max_per_window: null, rate_window: null },
    { max_per_window: 1 + random.below(3), rate_window: at(random.below(12)) },
  ]);
  const others = random.pick([{}, {}, { maxDeferred: random.below(3) }, { maxDeferred: null }, {
    backoff: null,
  }]);
  return (options) =>
    new Supervisor({
      ...options,
      ...others,
      constraints: { ...options.constraints, ...constraints },
    });
}

/** How many inputs a recording has. */
export function inputsOf(bundle: CaptureBundle): number {
  return ("inputs" in bundle ? bundle.inputs : bundle.events).length;
}

/** Each recording that has one input less than another of the same session, where there is one. */
export async function* withOneLess(
  whole: CaptureBundle,
  shrunk: CaptureBundle,
  createSupervisor: CreateSupervisor,
): AsyncGenerator<CaptureBundle> {
  const candidates = await Candidates.of(whole, createSupervisor);
  const { session } = candidates;
  const left = new Set(namesOf(new RecordedSession(shrunk)).values());
  const names = namesOf(session);
  const places = session.places.filter((place) => left.has(names.get(place)));
  for (const one of places) {
    const candidate = await candidates.candidate(places.filter((place) => place !== one));
    if (candidate !== undefined) yield candidate.bundle;
  }
}

/** What an input is called whatever number its episode has, by its place. */
function namesOf({ inputs, places }: RecordedSession): Map<number, string | undefined> {
  return new Map(places.map((place) => {
    const { record, origin } = inputs[place]!;
    if ("event_id" in record) return [place, record.event_id];
    const event = inputs[origin!]!.record;
    const attempt = record.type === "completion" ? record.attempt : "withdrawn";
    return [place, `${attempt} of ${(event as { event_id: string }).event_id}`];
  }));
}

/** What is decided, without effects: `a Invoke admitted`. */
export function decisionsIn({ decisions }: CaptureBundle): string[] {
  return decisions.map((decision) => {
    const reason = "reason" in decision ? ` ${decision.reason}` : "";
    return `${decision.event_id} ${decision.decision}${reason}`;
  });
}

/** The text of a recording, by which two are compared. */
export const textOf = (bundle: CaptureBundle): string => stringifyCaptureBundle(bundle);
