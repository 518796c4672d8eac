/** Makes programs up: each is another one, and ends whatever comes in between. */
import type { Random } from "../../../_util/random.ts";
import type { Failing, Planned, PlannedProgram, PlannedStep, PlannedValue } from "./planned.ts";

const VALUES: readonly PlannedValue[] = [
  { nothing: true },
  ...[
    ..."null|true|0|-0|1e300|1.5e-7|9007199254740991|-1e21".split("|"),
    ...['""', '"é\\u2028\\u0000😀\\\\"', "[]", "{}", "[[],[null],{}]"],
    '{"b":1,"a":{"10":1,"2":2,"x":null},"":0}',
    '{"__proto__":{"polluted":true},"constructor":1,"toString":"x","toJSON":2}',
    '{"type":"completion","end":{"result":{"result_hash":"x"}},"#2":"a#2"}',
  ].map((json) => ({ json })),
  // What still stands in a line of the journal, and what does not.
  ...[65_534, 65_535, 200_000].map((length) => ({ text: "x", length })),
  { text: "é", length: 40_000 },
  ...[99, 100, 101, 150].map((levels) => ({ levels })),
];

/** What a gate's message and a record can hold. */
const SMALL_VALUES = VALUES.filter((value) => "json" in value || "nothing" in value);

const INPUTS = [
  '{"b":1,"a":[{"y":1,"x":2}],"10":0,"2":0}',
  '{"__proto__":{"z":1,"a":2},"b":"é"}',
  '{"none":null}',
];

/** What may stand in a place. */
interface Place {
  /** Whether something catches what fails here. */
  isCaught: boolean;
  /** Whether the end of the program by a failure here is sure to be one that it is started again for. */
  mayEnd: boolean;
  depth: number;
}

/** Makes up one program. */
export function planProgram(random: Random): PlannedProgram {
  return new Planner(random).program();
}

const DEEPEST = 4;

class Planner {
  readonly #random: Random;
  #count = 0;
  #fragile = 0;
  /** How many gates and sleeps may still come: they take time. */
  #waits = 5;

  constructor(random: Random) {
    this.#random = random;
  }

  program(): PlannedProgram {
    const random = this.#random;
    const parts = Array.from({ length: 2 + random.below(4) }, () => {
      return this.#part({ isCaught: false, mayEnd: true, depth: 1 });
    });
    const window = { max_per_window: 3, rate_window: { secs: 0, nanos: 15_000_000 } };
    return {
      by: this.#fragile > 0 || random.chance(0.7) ? "durable" : "openRun",
      durability: random.chance(0.3) ? "disk" : "os",
      constraints: {
        max_retries: 0,
        ...(random.chance(0.7) && { max_in_flight: 1 + random.below(4) }),
        ...(random.chance(0.15) && window),
      },
      main: { op: "seq", parts },
    };
  }

  #id(what: string): string {
    // Ids that make odd file names, and some that are told apart by their case only.
    const kind = this.#random.pick(["", " é", "/..", "#x", ":A", ":a", "%41"]);
    return `${what}${++this.#count}${kind}`;
  }

  #part(place: Place): Planned {
    const random = this.#random;
    const isDeep = place.depth >= DEEPEST;
    const inner = { ...place, depth: place.depth + 1 };
    switch (random.below(isDeep ? 8 : 16)) {
      case 8:
      case 9:
        return { op: "seq", parts: this.#parts(inner) };
      case 10:
      case 11:
        return { op: "all", id: this.#id("all"), branches: this.#parts(inner) };
      case 12:
        return random.chance(0.6) ? this.#race(inner) : this.#any(inner);
      case 13:
        return this.#settled(inner);
      case 14: {
        const body = this.#part({ ...inner, isCaught: true, mayEnd: false });
        return { op: "try", body, handler: this.#part(inner) };
      }
      case 15:
        return this.#decision(inner);
      case 5:
        return this.#wait(place);
      case 6:
        return this.#line(place);
      case 7:
        return this.#loop();
      default:
        return this.#step(place);
    }
  }

  #parts(place: Place): Planned[] {
    return Array.from({ length: 2 + this.#random.below(3) }, () => this.#part(place));
  }

  /** What loses a race may fail without anybody hearing of it. */
  #race(place: Place): Planned {
    const branches = this.#parts({ ...place, mayEnd: false });
    return { op: "race", id: this.#id("race"), branches };
  }

  #any(place: Place): Planned {
    const good = this.#part({ ...place, isCaught: false, mayEnd: false });
    const branches = [good, ...this.#parts({ ...place, isCaught: true, mayEnd: false })];
    if (this.#random.chance(0.5)) branches.reverse();
    return { op: "any", id: this.#id("any"), branches };
  }

  #settled(place: Place): Planned {
    const branches = this.#parts({ ...place, isCaught: true, mayEnd: false });
    return { op: "settled", id: this.#id("settled"), branches };
  }

  #decision(place: Place): Planned {
    const number = this.#random.below(10);
    const [then, otherwise] = [this.#part(place), this.#part(place)];
    return { op: "if", id: this.#id("if"), number, then, otherwise };
  }

  #loop(): Planned {
    const random = this.#random;
    const numbers = Array.from({ length: random.below(5) }, (_, index) => 10 * index + 3);
    return {
      op: "loop",
      id: this.#id("list"),
      numbers,
      atOnce: random.chance(0.5),
      ...(random.chance(0.5) && { delayMs: random.below(4) }),
    };
  }

  /** When submitting resolves is no part of the recording, so nothing is to depend on it. */
  #line({ depth }: Place): Planned {
    const random = this.#random;
    if (depth > 1 || random.chance(0.5)) {
      return { op: "record", id: this.#id("record"), data: random.pick(SMALL_VALUES) };
    }
    return {
      op: "submit",
      id: this.#id("work"),
      ...(random.chance(0.5) && { delayMs: random.below(5) }),
    };
  }

  #wait({ isCaught }: Place): Planned {
    const random = this.#random;
    if (this.#waits-- <= 0 || random.chance(0.5)) {
      return { op: "sleep", id: this.#id("sleep"), ms: random.below(12) };
    }
    const by = random.pick(
      isCaught
        ? ["step", "other", "denied", "nobody"] as const
        : ["step", "other", "step"] as const,
    );
    const id = this.#id("gate");
    const value = random.pick(SMALL_VALUES);
    const isChecked = by === "other" && random.chance(0.3);
    const gate = { op: "gate", id, by, value, ...(isChecked && { isChecked }) } as const;
    if (by !== "step") return gate;
    const gives = { nothing: true } as const;
    const step = { op: "step", id: this.#id("pass"), gives, passes: { gate: id, value } } as const;
    return { op: "seq", parts: [step, gate] };
  }

  #step({ isCaught, mayEnd }: Place): PlannedStep {
    const random = this.#random;
    const step: PlannedStep = { op: "step", id: this.#id("step"), gives: random.pick(VALUES) };
    if (random.chance(0.3)) step.input = random.pick(INPUTS);
    if (random.chance(0.2)) step.isChecked = true;
    if (random.chance(0.4)) step.isObedient = true;
    if (mayEnd && this.#fragile < 2 && random.chance(0.06)) {
      this.#fragile++;
      return { ...step, fails: "error", times: 1 + random.below(2), isFragile: true };
    }
    if (isCaught && random.chance(0.45)) this.#fail(step);
    else if (random.chance(0.25)) this.#failSometimes(step);
    if (step.fails !== "hang" && random.chance(0.6)) step.delayMs = random.below(9);
    return step;
  }

  /** It fails for good, after so many attempts. */
  #fail(step: PlannedStep): void {
    const random = this.#random;
    step.fails = random.pick<Failing>(["error", "error", "fatal", "hang", "not-json"]);
    if (step.fails === "hang") step.timeoutMs = 2 + random.below(6);
    if (random.chance(0.6)) step.retry = this.#retry(random.below(3));
    if (random.chance(0.3)) step.retry = { ...step.retry, maxAttempts: 1 + random.below(3) };
  }

  #failSometimes(step: PlannedStep): void {
    const random = this.#random;
    step.times = 1 + random.below(3);
    step.fails = random.chance(0.8) ? "error" : "hang";
    if (step.fails === "hang") step.timeoutMs = 2 + random.below(6);
    step.retry = this.#retry(step.times + random.below(2));
  }

  #retry(maxRetries: number): NonNullable<PlannedStep["retry"]> {
    const random = this.#random;
    const delay = random.chance(0.6) && { delayMs: random.below(8), factor: 1 + random.below(2) };
    return { maxRetries, ...delay };
  }
}
