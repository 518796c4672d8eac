/**
 * What a program does outside of its run, which nothing can undo: one line behind the other, whoever adds it. So
 * it is known from outside what ran, in which order, and what the program had learned by then.
 */

/** What is said in a line. */
export type EffectKind =
  | "life"
  | "begin"
  | "end"
  | "fail"
  | "learned"
  | "attempts"
  | "gate"
  | "problem";

/** A line. */
export interface Effect {
  kind: EffectKind;
  id: string;
  /** The number of an attempt, how many there were, or what was learned. */
  what: string;
}

/** Takes lines. */
export class Effects {
  readonly lines: Effect[];
  readonly #append: (effect: Effect) => void;

  constructor(lines: Effect[], append: (effect: Effect) => void) {
    this.lines = lines;
    this.#append = append;
  }

  /** Adds a line. */
  add(kind: EffectKind, id: string, what: string | number = ""): void {
    const effect = { kind, id, what: String(what) };
    this.#append(effect);
    this.lines.push(effect);
  }

  /** How many lines of a kind there are about something. */
  count(kind: EffectKind, id: string): number {
    return this.lines.filter((line) => line.kind === kind && line.id === id).length;
  }
}

/** The text of a line, in a file and where a program says it. */
export function effectText({ kind, id, what }: Effect): string {
  return JSON.stringify([kind, id, what]);
}

/** The lines of a text; the last one may have been cut off. */
export function effectsIn(text: string): Effect[] {
  return text.split("\n").slice(0, -1).map((line) => {
    const [kind, id, what] = JSON.parse(line);
    return { kind, id, what };
  });
}

/** The lines of a file; none where it is not there. */
export function readEffects(path: string): Effect[] {
  try {
    return effectsIn(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Adds lines to a file as well, each by one write. */
export function effectsFile(path: string, onLine: (text: string) => void): Effects {
  const file = Deno.openSync(path, { append: true, create: true });
  const encoder = new TextEncoder();
  return new Effects(readEffects(path), (effect) => {
    const text = effectText(effect);
    const bytes = encoder.encode(`${text}\n`);
    if (file.writeSync(bytes) !== bytes.length) throw new Error("A line was cut");
    onLine(text);
  });
}
